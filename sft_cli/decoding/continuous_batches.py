"""Writing of many texts at once in this process: the next prompt takes the place of a text that is finished.

One forward pass writes a token of every text. A new prompt is read as soon as a place is free, packed with other new
prompts. The prefix that all prompts share is read once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sft_cli.decoding.controls import Controls
from sft_cli.decoding.engines.protocol import Done
from sft_cli.decoding.items import Item, Writing
from sft_cli.decoding.stops import Stops
from sft_cli.decoding.values import Decoding
from sft_cli.encoding.encoder import Encoder
from sft_cli.model.forward import inner_model
from sft_cli.model.slots import WIDTH, Slots

ROWS = 8  # the number of texts in a pass is a multiple of this: products of fewer rows use other CPU kernels
TOKENS = 16  # the number of tokens of packed prompts is a multiple of this (model/forward.py explains why)
LONGEST_PASS = 2048  # tokens of prompts that are read in one pass
SHORTEST_PREFIX = 16  # tokens that prompts must share, so that a separate pass for the prefix is worth it


class ContinuousBatches:
    """Writes completions with a loaded model whose attention takes `Slots`."""

    def __init__(self, model: Any, encoder: Encoder, values: Decoding, controls: Controls) -> None:
        self.model, self.values, self.controls = inner_model(model), values, controls
        self.stops = Stops(encoder, values)

    def complete(self, items: Sequence[Item], rows: int, prefix_ids: Sequence[int] = ()) -> Iterator[Done]:
        """Completions of the items when they are finished, those of one step together; at most `rows` at a time.

        `prefix_ids` is the shared beginning of all prompts, from `shared_prefix`.
        """
        slots = Slots(-(-rows // ROWS) * ROWS, self.model.device)
        waiting, writings = deque(items), list[Writing]()
        if prefix_ids:
            slots.begin_prefix(len(prefix_ids))
            self._read([list(prefix_ids)], slots, 0)
        while waiting or writings:
            begun = self._admit(waiting, writings, rows)
            if begun:
                self._begin(begun, writings, slots)
            else:
                self._step(writings, slots)
            yield from self._finish(writings, slots)

    def _admit(self, waiting: deque[Item], writings: list[Writing], rows: int) -> list[Item]:
        """The items that begin now: as many as fit, in passes of some thousand tokens."""
        begun: list[Item] = []
        longest = max((self._room(writing.item) for writing in writings), default=0)
        while waiting and len(writings) + len(begun) < rows:
            item = waiting[0]
            longest = max(longest, self._room(item))
            count = len(writings) + len(begun) + 1
            tokens = sum(len(each.prompt_ids) for each in begun) + len(item.prompt_ids)
            if count > 1 and (count * longest > self.values.batch_tokens or (begun and tokens > LONGEST_PASS)):
                break
            begun.append(waiting.popleft())
        return begun

    def _room(self, item: Item) -> int:
        return -(-(len(item.prompt_ids) + self.values.max_new_tokens) // WIDTH) * WIDTH

    def _begin(self, begun: list[Item], writings: list[Writing], slots: Slots) -> None:
        """Read the prompts of new items, equal ones once, and write the first token of each."""
        first, prefix = len(writings), slots.prefix_length
        groups = [list(group) for _, group in groupby(begun, key=lambda item: item.prompt_ids)]
        leaders, place = [], first
        for group in groups:
            leaders.append(place)
            place += len(group)
        prompts = [group[0].prompt_ids[prefix:] for group in groups]
        slots.begin_texts(leaders, [len(prompt) for prompt in prompts])
        logits = self._read(prompts, slots, prefix)
        for group, leader in zip(groups, leaders, strict=True):
            for follower in range(leader + 1, leader + len(group)):
                slots.copy(leader, follower)
        new = [self.controls.begin(item) for item in begun]
        counts = torch.tensor([len(group) for group in groups])
        self.controls.write(logits.repeat_interleave(counts.to(logits.device), 0), new)
        writings += new

    def _read(self, prompts: list[list[int]], slots: Slots, start: int) -> Tensor:
        """Logits (prompts, V) after the last token of each packed prompt, whose tokens have positions from `start`."""
        ids = torch.tensor([token for prompt in prompts for token in prompt])
        positions = torch.cat([torch.arange(start, start + len(prompt)) for prompt in prompts])
        ends = torch.tensor([len(prompt) for prompt in prompts]).cumsum(0) - 1
        filler = -len(ids) % TOKENS
        ids, positions = functional.pad(ids, (0, filler)), functional.pad(positions, (0, filler))
        return self._forward(ids[None], positions[None], slots, ends)[0]

    def _step(self, writings: list[Writing], slots: Slots) -> None:
        """Write one more token of every text."""
        rows = min(-(-len(writings) // ROWS) * ROWS, slots.count)
        slots.lengths[len(writings) : rows] = 0  # places without a text; their numbers are not used
        ids = torch.zeros(rows, 1, dtype=torch.long)
        ids[: len(writings), 0] = torch.tensor([writing.ids[-1] for writing in writings])
        slots.begin_tokens(rows)
        logits = self._forward(ids, slots.lengths[:rows, None], slots, torch.tensor([0]))
        slots.end_tokens()
        self.controls.write(logits[: len(writings), 0], writings)

    @torch.inference_mode()
    def _forward(self, ids: Tensor, positions: Tensor, slots: Slots, kept: Tensor) -> Tensor:
        device = self.model.device
        output = self.model(
            input_ids=ids.to(device),
            position_ids=positions.to(device),
            attention_mask=torch.zeros(1, 1, 1, 1, device=device),  # transformers does not change a mask of four axes
            use_cache=False,
            slots=slots,
            logits_to_keep=kept.to(device),
        )
        logits: Tensor = output.logits
        return logits

    def _finish(self, writings: list[Writing], slots: Slots) -> Iterator[Done]:
        """Remove finished texts; the last text moves to the place of each."""
        done: Done = []
        for place in reversed(range(len(writings))):
            completion = self.stops.finished(writings[place].ids)
            if completion is None:
                continue
            completion.log_prob = writings[place].log_prob(completion.tokens)
            done.append((writings[place].item, completion))
            last = writings.pop()
            if place < len(writings):
                writings[place] = last
                slots.copy(len(writings), place)
        if done:
            yield done


def shared_prefix(items: Sequence[Item]) -> list[int]:
    """The ids at the start of all prompts, never a whole prompt; empty if they are few or there is only one prompt."""
    prompts = {tuple(item.prompt_ids) for item in items}
    if len(prompts) < 2:
        return []
    first, last = min(prompts), max(prompts)  # what these two share, all prompts between them share
    most = min(len(prompt) for prompt in prompts) - 1
    length = next((place for place in range(most) if first[place] != last[place]), most)
    return list(first[:length]) if length >= SHORTEST_PREFIX else []
