"""What is to be generated, in which batches, and one completion while it is written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from sft_cli.run.errors import FieldError
from sft_cli.run.seed import stable_hash

LARGEST_BATCH = 64  # rows; more rows help little on a CPU and delay the first results


@dataclass(frozen=True)
class Item:
    """One completion to generate: a row (prompt only, answers in `references`), its sample number, its prompt's ids."""

    index: int
    row: dict[str, Any]
    sample: int
    prompt_ids: list[int]
    error: str | None = None  # the reason why it cannot be generated
    dropped: int = 0  # tokens cut from the beginning of a prompt that did not fit


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


@dataclass
class Completion:
    """The completion of one item."""

    text: str
    finish_reason: str  # stop, length or error
    tokens: int
    error: str | None = None
    ids: list[int] = field(default_factory=list)  # the written tokens, with the stop token
    prompt_tokens: int | None = None  # set if only the server can count them
    log_prob: float | None = None  # Σ log p of `ids`, in nats, with --completion-logprobs


def failed(error: Exception | str) -> Completion:
    """The result for a completion that could not be written: no text, and the reason."""
    is_plain = isinstance(error, (str, FieldError))
    return Completion("", "error", 0, str(error) if is_plain else f"{type(error).__name__}: {error}")


@dataclass
class Writing:
    """An item and the ids written for it. Its random numbers depend only on the seed, the row's id and the sample."""

    item: Item
    seed: int
    ids: list[int] = field(default_factory=list)
    matcher: Any = None  # of its grammar
    log_probs: list[float] = field(default_factory=list)  # of each id, with --completion-logprobs

    @cached_property
    def counts(self) -> Counter[int]:
        """The count of each written token."""
        return Counter(self.ids)

    @cached_property
    def seen(self) -> set[int]:
        """Tokens of the prompt and of the completion."""
        return {*self.item.prompt_ids, *self.ids}

    @cached_property
    def generator(self) -> torch.Generator:
        """Its own random numbers."""
        return torch.Generator().manual_seed(stable_hash(self.seed, self.item.row["id"], self.item.sample) % 2**63)

    def uniform(self) -> float:
        """The next random number in [0, 1)."""
        return float(torch.rand((), generator=self.generator, dtype=torch.float64))

    def log_prob(self, count: int) -> float | None:
        """Σ log p of the first `count` tokens, in nats; None without --completion-logprobs."""
        return sum(self.log_probs[:count]) if self.log_probs else None

    def append(self, token: int) -> None:
        """Write one more token."""
        self.ids.append(token)
        if self.matcher is not None:
            self.matcher.consume_token(token)
        if "counts" in self.__dict__:
            self.counts[token] += 1
        if "seen" in self.__dict__:
            self.seen.add(token)
