"""Rows that are lengths alone, for plans of steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from sft_cli.encoding.encoder import Example
from sft_cli.training.rows.corpus import Corpus
from sft_cli.training.settings import TrainSettings


def settings(**changes: Any) -> TrainSettings:
    return TrainSettings(**{"model": "tiny", **changes})


def corpus(row_lengths: list[int], tasks: list[str] | None = None, difficulties: list[float] | None = None) -> Corpus:
    examples = [Example(np.zeros(n, np.int32), np.ones(n, np.float32)) for n in row_lengths]
    count = len(row_lengths)
    return Corpus(examples, [f"r{i}" for i in range(count)], tasks or [""] * count, difficulties or [0.0] * count)
