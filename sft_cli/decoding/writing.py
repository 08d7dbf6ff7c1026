"""One completion while it is written: what stands there so far, and whether it is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from sft_cli.decoding.plan import Item
from sft_cli.decoding.values import Decoding
from sft_cli.run.errors import FieldError
from sft_cli.run.seed import stable_hash

STOP_MARGIN = 4  # tokens beyond the length of a stop string that are looked at: one may end inside the next token


@dataclass
class Completion:
    """What was written for one item."""

    text: str
    finish_reason: str  # stop, length or error
    tokens: int
    error: str | None = None
    ids: list[int] = field(default_factory=list)  # what was written, the stop token among it
    prompt_tokens: int | None = None  # where only the engine's other end can count them


def failed(error: Exception | str) -> Completion:
    """What stands in place of a completion that could not be written: nothing, and why."""
    is_plain = isinstance(error, (str, FieldError))
    return Completion("", "error", 0, str(error) if is_plain else f"{type(error).__name__}: {error}")


@dataclass
class Writing:
    """An item and the ids written for it. Its random numbers depend on the seed, the row's id and the sample alone."""

    item: Item
    seed: int
    ids: list[int] = field(default_factory=list)
    matcher: Any = None  # of a grammar that it follows

    @cached_property
    def counts(self) -> Counter[int]:
        """How often each token was written."""
        return Counter(self.ids)

    @cached_property
    def seen(self) -> set[int]:
        """Tokens of the prompt and of what was written."""
        return {*self.item.prompt_ids, *self.ids}

    @cached_property
    def generator(self) -> torch.Generator:
        """Its own random numbers."""
        return torch.Generator().manual_seed(stable_hash(self.seed, self.item.row["id"], self.item.sample) % 2**63)

    def uniform(self) -> float:
        """The next random number in [0, 1)."""
        return float(torch.rand((), generator=self.generator, dtype=torch.float64))

    def append(self, token: int) -> None:
        """Write one more token."""
        self.ids.append(token)
        if self.matcher is not None:
            self.matcher.consume_token(token)
        if "counts" in self.__dict__:
            self.counts[token] += 1
        if "seen" in self.__dict__:
            self.seen.add(token)


def finished(writing: Writing, tokenizer: Any, stop_ids: Sequence[int], values: Decoding) -> Completion | None:
    """The completion if it is done: a stop token, a stop string, or as long as allowed; None if it goes on.

    What stands before the stop is kept. A stop string that the completion has begun at its end does not end it.
    """
    ids = writing.ids
    if ids[-1] in stop_ids:
        return Completion(tokenizer.decode(ids[:-1], skip_special_tokens=True), "stop", len(ids), ids=ids)
    if values.stop:
        longest = max(len(text.encode()) for text in values.stop) + STOP_MARGIN
        tail = tokenizer.decode(ids[-longest:], skip_special_tokens=True)
        if any(text in tail for text in values.stop):
            whole = tokenizer.decode(ids, skip_special_tokens=True)
            return Completion(cut_at_stops(whole, values.stop), "stop", len(ids), ids=ids)
    if len(ids) >= values.max_new_tokens:
        return Completion(tokenizer.decode(ids, skip_special_tokens=True), "length", len(ids), ids=ids)
    return None


def cut_at_stops(text: str, stops: Sequence[str]) -> str:
    """What stands before the first of the stop strings."""
    return text[: min([place for stop in stops if (place := text.find(stop)) >= 0], default=len(text))]
