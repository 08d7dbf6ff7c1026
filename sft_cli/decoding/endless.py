"""Where a completion begins to repeat itself until its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sft_cli.metrics.repetition import longest_repeated_span, sequence_repetition

TIMES = 3  # a loop is at least this many repetitions at the end of a completion
ORDER = 4  # of the n-grams of seq-rep-n


def loop_start(ids: Sequence[int]) -> int | None:
    """The first token of the loop in which a completion ends; None if it does not end in one.

    A loop is one span of tokens, at least `TIMES` times, at the end of the completion.
    """
    best: int | None = None
    for period in range(1, len(ids) // TIMES + 1):
        start = len(ids) - period
        while start > 0 and ids[start - 1] == ids[start - 1 + period]:
            start -= 1
        if len(ids) - start >= TIMES * period and (best is None or start < best):
            best = start
    return best


def diagnosis(ids: Sequence[int]) -> dict[str, Any]:
    """How much the tokens of a completion repeat themselves: seq-rep-4, longest repeated span, beginning of a loop.

    `seq_rep_4` (Welleck et al. 2020, §5) is null for fewer than four tokens, `loop_start` (from 0) without a loop.
    """
    words = [str(token) for token in ids]
    return {
        f"seq_rep_{ORDER}": sequence_repetition(words, ORDER) if len(words) >= ORDER else None,
        "longest_span": longest_repeated_span(words),
        "loop_start": loop_start(ids),
    }
