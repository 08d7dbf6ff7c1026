"""What is to be generated, and in which batches: a pure function of the input, so that a resumed run repeats it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LARGEST_BATCH = 64  # rows; more brings little on a CPU and delays the first results


@dataclass(frozen=True)
class Item:
    """One completion to be made: a row (prompt only, answers in `references`), its sample number, its prompt's ids."""

    index: int
    row: dict[str, Any]
    sample: int
    prompt_ids: list[int]
    error: str | None = None  # why it cannot be generated at all
    dropped: int = 0  # tokens that were cut from the beginning of the prompt, which did not fit


def plan_batches(items: list[Item], batch_tokens: int, max_new_tokens: int) -> list[list[Item]]:
    """Items in batches of similar prompt length, each within `batch_tokens` of padded prompts and completions."""
    batches: list[list[Item]] = []
    longest = 0
    for item in sorted(items, key=lambda item: (-len(item.prompt_ids), item.index)):
        fits = batches and (len(batches[-1]) + 1) * (longest + max_new_tokens) <= batch_tokens
        if not fits or len(batches[-1]) == LARGEST_BATCH:
            batches.append([])
            longest = len(item.prompt_ids)  # the first is the longest of its batch
        batches[-1].append(item)
    return batches
