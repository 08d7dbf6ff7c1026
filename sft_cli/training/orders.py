"""In which order an epoch goes through the rows: `(corpus, seed, epoch) -> row numbers (n,)`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sft_cli.run.errors import FieldError, shown
from sft_cli.run.registry import Table

if TYPE_CHECKING:
    import numpy as np

    from sft_cli.training.corpus import Corpus

ORDERS = Table(
    "order",
    {
        "shuffled": "sft_cli.training.orders:shuffled",
        "given": "sft_cli.training.orders:given",
        "length": "sft_cli.training.orders:length",
        "curriculum": "sft_cli.training.orders:curriculum",
    },
)


def shuffled(corpus: Corpus, seed: int, epoch: int) -> np.ndarray:
    """A permutation that depends on (seed, epoch) alone."""
    import numpy as np

    return np.random.default_rng((seed, epoch)).permutation(len(corpus))


def given(corpus: Corpus, seed: int, epoch: int) -> np.ndarray:
    """As the rows stand in the files, in every epoch."""
    import numpy as np

    return np.arange(len(corpus))


def length(corpus: Corpus, seed: int, epoch: int) -> np.ndarray:
    """From the shortest row to the longest, in every epoch; rows of one length are shuffled."""
    import numpy as np

    order = shuffled(corpus, seed, epoch)
    return order[np.argsort(corpus.lengths[order], kind="stable")]


def curriculum(corpus: Corpus, seed: int, epoch: int) -> np.ndarray:
    """From the easiest row to the hardest, by a number in each row, in every epoch; equal ones are shuffled."""
    import numpy as np

    order = shuffled(corpus, seed, epoch)
    return order[np.argsort(np.array(corpus.difficulties)[order], kind="stable")]


def difficulty_of(row: dict[str, Any], order: str, key: str) -> float:
    """The number that `--order curriculum` sorts by, 0 for other orders; raises FieldError if it is not there."""
    if order != "curriculum":
        return 0.0
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        got = shown(value) if key in row else "nothing"
        raise FieldError(key, f"expected a number (--order curriculum sorts by it), got {got}")
    return float(value)
