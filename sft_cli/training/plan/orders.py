"""Orders of the rows in an epoch: `(corpus, seed, epoch) -> row numbers (n,)`."""

from __future__ import annotations

import numpy as np

from sft_cli.training.rows.corpus import Corpus


def shuffled(corpus: Corpus, seed: int, epoch: int) -> np.ndarray:
    """A random order that depends only on (seed, epoch)."""
    return np.random.default_rng((seed, epoch)).permutation(len(corpus))


def given(corpus: Corpus, seed: int, epoch: int) -> np.ndarray:
    """The order of the files, in every epoch."""
    return np.arange(len(corpus))


def length(corpus: Corpus, seed: int, epoch: int) -> np.ndarray:
    """From the shortest row to the longest, in every epoch; rows of one length are shuffled."""
    order = shuffled(corpus, seed, epoch)
    return order[np.argsort(corpus.lengths[order], kind="stable")]


def curriculum(corpus: Corpus, seed: int, epoch: int) -> np.ndarray:
    """From the easiest row to the hardest, by a number in each row, in every epoch; equal rows are shuffled."""
    order = shuffled(corpus, seed, epoch)
    return order[np.argsort(np.array(corpus.difficulties)[order], kind="stable")]
