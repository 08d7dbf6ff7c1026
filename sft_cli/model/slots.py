"""Keys and values of many unfinished texts, a slot for each, and the attention of their newest tokens.

The attention function of `model/attention.py` finds the `Slots` among its arguments. It stores the keys and values of
the new tokens there and attends to those of each text. The only padding is the difference to the longest text.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sft_cli.model.cpu_attention import Heads, Scoring, past_attention

SLACK = 2  # room is released if it is more than this many times what the longest text needs
WIDTH = 64  # room grows by this many tokens, so that sums have the same order for every longest text


class Slots:
    """Keys and values of up to `count` texts: for each layer two tensors (count, H_kv, room, D), made when needed.

    `lengths` (count,): the number of tokens of each text, with the prefix that all may share. The numbers of a text do
    not depend on other texts, as far as matrix products do not depend on their height (tests/model/test_slots.py).
    """

    def __init__(self, count: int, device: str | torch.device = "cpu") -> None:
        self.count, self.device = count, torch.device(device)
        self.lengths = torch.zeros(count, dtype=torch.long)
        self.layers: dict[int, tuple[Tensor, Tensor]] = {}
        self.prefix: dict[int, tuple[Tensor, Tensor]] = {}  # for each layer (H_kv, P, D) twice
        self.prefix_length = 0
        self.room = 0
        self.documents: dict[int | None, int] = {}  # the slots of this pass (None: the prefix), and the tokens for each
        self.mask = torch.empty(0)  # of the tokens of this pass: −∞ at places after them
        self.places = torch.empty(0, dtype=torch.long)

    def begin_prefix(self, length: int) -> None:
        """Prepare for a forward pass with the tokens at the start of all texts."""
        self.documents = {None: length}
        self.prefix_length = length

    def begin_texts(self, slots: Sequence[int], lengths: Sequence[int]) -> None:
        """Prepare for a forward pass with packed documents, the texts after the prefix, for these slots."""
        self.documents = dict(zip(slots, lengths, strict=True))
        for slot, length in self.documents.items():
            self.lengths[slot] = self.prefix_length + length
        self._make_room(int(self.lengths[list(slots)].max()) + 1)

    def begin_tokens(self, rows: int) -> None:
        """Prepare for a forward pass with one more token for each of the first `rows` slots."""
        self.documents = {}
        lengths = self.lengths[:rows]
        longest = int(lengths.max())
        last = (longest // WIDTH + 1) * WIDTH
        # Products use the whole room: the room of one long text must not slow down all later texts.
        self._make_room(longest + 1, most=SLACK * last)
        hidden = torch.arange(last)[None] > lengths[:, None]
        self.mask = torch.zeros(rows, 1, 1, last).masked_fill_(hidden[:, None, None], -torch.inf).to(self.device)
        self.places = lengths.to(self.device)

    def end_tokens(self) -> None:
        """End the pass: each of its texts is one token longer."""
        self.lengths[: len(self.places)] += 1

    @torch.inference_mode()
    def copy(self, source: int, target: int) -> None:
        """Copy the text of one slot to another."""
        length = int(self.lengths[source])
        for parts in self.layers.values():
            for part in parts:
                part[target, :, :length] = part[source, :, :length]
        self.lengths[target] = length

    def attend(self, layer: int, heads: Heads, scoring: Scoring) -> Tensor:
        """Keep a layer's new keys and values and give the attention of the new tokens.

        Packed documents: query (1, H, N, D) gives (1, N, H, D). One token for each of B slots: (B, H, 1, D) gives
        (B, 1, H, D).
        """
        query, key, value = heads
        if None in self.documents:
            length = self.prefix_length
            self.prefix[layer] = key[0, :, :length].to(value.dtype).clone(), value[0, :, :length].clone()
            return past_attention(heads, [length], None, scoring)
        if layer not in self.layers:
            self.layers[layer] = self._empty(key.to(value.dtype)), self._empty(value)
        keys, values = self.layers[layer]
        if not self.documents:
            rows = torch.arange(len(self.places), device=self.places.device)
            keys[rows, :, self.places] = key[:, :, 0].to(keys.dtype)
            values[rows, :, self.places] = value[:, :, 0]
            return self._attend_tokens(keys, values, query, scoring)
        start, shared, first = 0, self.prefix.get(layer), self.prefix_length
        for slot, length in self.documents.items():
            if shared is not None:
                keys[slot, :, :first], values[slot, :, :first] = shared
            keys[slot, :, first : first + length] = key[0, :, start : start + length]
            values[slot, :, first : first + length] = value[0, :, start : start + length]
            start += length
        return past_attention(heads, list(self.documents.values()), shared, scoring)

    def _attend_tokens(self, keys: Tensor, values: Tensor, query: Tensor, scoring: Scoring) -> Tensor:
        rows, heads, _, size = query.shape
        groups, last, narrow = keys.shape[1], self.mask.shape[-1], values.dtype
        asked = (query[:, :, 0] * scoring.factor(size)).to(narrow).reshape(rows * groups, heads // groups, size)
        # The product with a part of the keys would copy them; the product with values does not.
        seen = keys[:rows].view(rows * groups, self.room, -1)
        held = values[:rows, :, :last].view(rows * groups, last, -1)
        wide = torch.promote_types(narrow, torch.float32)
        if scoring.wide:
            asked, seen = asked.to(wide), seen.to(wide)
        scores = torch.bmm(asked, seen.transpose(1, 2))[:, :, :last].to(wide).reshape(rows, groups, -1, last)
        weights = torch.softmax(scores.add_(self.mask), -1).to(narrow).view(rows * groups, -1, last)
        return torch.bmm(weights, held).view(rows, 1, heads, -1)

    def _empty(self, like: Tensor) -> Tensor:
        # Zeros, not uninitialised memory: a place without a token has the weight 0, and 0 times NaN would be NaN.
        return like.new_zeros(self.count, like.shape[1], self.room, like.shape[-1])

    @torch.inference_mode()
    def _make_room(self, tokens: int, most: int | None = None) -> None:
        """Make room for this many tokens of each text, and not more than `most` if it is given."""
        if tokens <= self.room <= (most or self.room):
            return
        self.room = (tokens - 1) // WIDTH * WIDTH + WIDTH
        for layer, parts in self.layers.items():
            moved = tuple(self._empty(part) for part in parts)
            for old, new in zip(parts, moved, strict=True):
                kept = min(old.shape[2], self.room)
                new[:, :, :kept] = old[:, :, :kept]
            self.layers[layer] = moved[0], moved[1]
