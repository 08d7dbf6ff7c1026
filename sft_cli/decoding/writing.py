"""One completion while it is written: what stands there so far, and what it is in the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from sft_cli.decoding.plan import Item
from sft_cli.run.errors import FieldError
from sft_cli.run.seed import stable_hash


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
