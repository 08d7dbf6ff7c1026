"""Causal attention of packed documents on a CPU: plain matrix products over blocks of queries.

torch's fused CPU kernel takes two to four times as long on documents of chat length (docs/log.md). Products are in the
number format of the inputs, softmax and sums in float32 or wider. The probabilities of short documents are kept for the
backward pass; those of long documents, which would fill the memory, are computed again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

QUERY_BLOCK = 192  # queries at a time: a document up to this length is one product, a longer one skips future tokens
KEPT = 256  # the longest document whose probabilities are kept: at most 2·H·KEPT bytes a token and layer in bfloat16


Heads = tuple[Tensor, Tensor, Tensor]  # query, key, value


class Scoring(NamedTuple):
    """How scores q·kᵀ are formed: times `scale` (None: 1/√D), and in float32 whatever the format if `wide`."""

    scale: float | None = None
    wide: bool = False

    def factor(self, size: int) -> float:
        """The scale for heads of `size` numbers."""
        return float(size**-0.5) if self.scale is None else self.scale


PLAIN_SCORING = Scoring()


def cpu_attention(
    query: Tensor, key: Tensor, value: Tensor, lengths: Sequence[int], scoring: Scoring = PLAIN_SCORING
) -> Tensor:
    """softmax(q·kᵀ·scale)·v inside each document, causal: (1, N, H, D) in the number format of `value`.

    query (1, H, N, D), key and value (1, H_kv, N, D), H a multiple of H_kv; `lengths` of the documents sum to N or
    less, and what comes after the last document gives zeros. Equals torch's scaled_dot_product_attention(
    is_causal=True) on each document.
    """
    factor = scoring.factor(query.shape[-1])
    out: Tensor = _CpuAttention.apply(query, key, value, tuple(lengths), factor, scoring.wide)
    return out


def past_attention(
    heads: Heads,
    lengths: Sequence[int],
    past: tuple[Tensor, Tensor] | None = None,
    scoring: Scoring = PLAIN_SCORING,
) -> Tensor:
    """Like `cpu_attention`, without gradients; every document also attends to all of `past`, keys and values before it.

    `past` has two tensors (H_kv, P, D). Equal to attention over past and document end to end, for the tokens of the
    document.
    """
    query, key, value = heads
    narrow = value.dtype
    query, key, value = (query[0] * scoring.factor(query.shape[-1])).to(narrow), key[0].to(narrow), value[0]
    count, tokens, size = query.shape
    out = torch.zeros(tokens, count, size, dtype=narrow, device=query.device)
    for first, last in _ranges(lengths):
        q, k, v = (part[:, first:last] for part in (query, key, value))
        if past is not None:
            k, v = torch.cat([past[0], k], 1), torch.cat([past[1], v], 1)
        _document_output((q, k, v), scoring.wide, out[first:last])
    return out[None]


class _CpuAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, lengths: tuple[int, ...], scale: float, wide_scores: bool
    ) -> Tensor:
        narrow = value.dtype
        ctx.dtypes = query.dtype, key.dtype
        # The queries are scaled: one pass over (N, D) instead of one over every block of scores.
        query, key, value = (query[0] * scale).to(narrow), key[0].to(narrow), value[0]
        heads, tokens, size = query.shape
        out = torch.empty(tokens, heads, size, dtype=narrow)
        out[sum(lengths) :] = 0.0
        kept: list[Tensor] = []
        keeps = any(ctx.needs_input_grad[:3])
        with torch.autocast("cpu", enabled=False):
            for first, last in _ranges(lengths):
                q, k, v = (part[:, first:last] for part in (query, key, value))
                is_kept = keeps and last - first <= KEPT
                _document_output((q, k, v), wide_scores, out[first:last], kept if is_kept else None)
        ctx.save_for_backward(query, key, value, *kept)
        ctx.lengths, ctx.scale, ctx.wide_scores = lengths, scale, wide_scores
        return out[None]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *outputs: Tensor) -> Any:
        query, key, value, *kept = ctx.saved_tensors
        grad = outputs[0][0].to(value.dtype)  # (N, H, D)
        grads = torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)
        for whole in grads:
            whole[:, sum(ctx.lengths) :] = 0.0
        with torch.autocast("cpu", enabled=False):
            for first, last in _ranges(ctx.lengths):
                rows = slice(first, last)
                into = [whole[:, rows] for whole in grads]
                q, k, v = (part[:, rows] for part in (query, key, value))
                grad_of_output = grad[rows].transpose(0, 1)
                blocks = len(list(_blocks(last - first))) if last - first <= KEPT else 0
                weights, kept = kept[:blocks], kept[blocks:]
                _document_gradient((q, k, v), grad_of_output, weights, ctx.wide_scores, into)
        grad_query = grads[0][None].to(ctx.dtypes[0]) * ctx.scale
        return grad_query, grads[1][None].to(ctx.dtypes[1]), grads[2][None], None, None, None


def _document_output(heads: Heads, wide_scores: bool, into: Tensor, kept: list[Tensor] | None = None) -> None:
    """Write the attention of one document's scaled queries (H, L, D) into `into` (L, H, D).

    Keys and values are those of the document, after those of a past if there is one. The probabilities of each block
    are appended to `kept`.
    """
    query, key, value = heads
    count, length, size = query.shape
    before = key.shape[1] - length
    keys = _score_keys(key, wide_scores)
    for start, end in _blocks(length):
        rows = _by_key_head(query[:, start:end], len(key))
        weights = _probabilities(rows, keys[:, :, : before + end], before + start).to(value.dtype)
        if kept is not None:
            kept.append(weights)
        part = torch.bmm(weights, value[:, : before + end])
        into[start:end] = part.view(count, end - start, size).transpose(0, 1)


def _document_gradient(heads: Heads, grad: Tensor, kept: list[Tensor], wide_scores: bool, into: list[Tensor]) -> None:
    """Write the gradients of one document's scaled query, key and value; `grad` (H, L, D) is that of its output.

    `kept` has the probabilities of its blocks, or is empty.
    """
    query, key, value = heads
    groups, length, _ = key.shape
    keys, value_t = _score_keys(key, wide_scores), value.transpose(1, 2)
    is_single = length <= QUERY_BLOCK
    sums = into[1:] if is_single else [torch.zeros_like(at_least_float32(part)) for part in (key, value)]
    for number, (start, end) in enumerate(_blocks(length)):
        rows, g = (_by_key_head(x[:, start:end], groups) for x in (query, grad))
        weights = kept[number] if kept else _probabilities(rows, keys[:, :, :end], start).to(key.dtype)
        slopes = torch.bmm(g, value_t[:, :, :end])
        # p·(dp − Σ p·dp) in one pass; the kernel sums in float32 in every format.
        narrow = torch.ops.aten._softmax_backward_data(slopes, weights, -1, slopes.dtype)
        into[0][:, start:end] = torch.bmm(narrow, key[:, :end]).view(len(query), end - start, -1)
        products = torch.bmm(narrow.transpose(1, 2), rows), torch.bmm(weights.transpose(1, 2), g)
        for part, product in zip(sums, products, strict=True):
            if is_single:
                part.copy_(product)
            else:
                part[:, :end] += product
    if not is_single:
        into[1].copy_(sums[0])
        into[2].copy_(sums[1])


def _ranges(lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(first token, end) of each document."""
    first = 0
    for length in lengths:
        yield first, first + length
        first += length


def _blocks(length: int) -> Iterator[tuple[int, int]]:
    """Query ranges of about equal size, none above QUERY_BLOCK."""
    count = -(-length // QUERY_BLOCK)
    size = -(-length // count)
    for start in range(0, length, size):
        yield start, min(start + size, length)


def _by_key_head(heads: Tensor, groups: int) -> Tensor:
    """(H, n, D) as (H_kv, H/H_kv·n, D): the query heads that share a key head, one after another."""
    return heads.reshape(groups, -1, heads.shape[-1])


def _score_keys(key: Tensor, wide_scores: bool) -> Tensor:
    return (at_least_float32(key) if wide_scores else key).transpose(1, 2)


def _probabilities(rows: Tensor, keys: Tensor, start: int) -> Tensor:
    """Softmax over the past of each query, float32 or wider (H_kv, R·n, end); `start` is the block's first query."""
    scores = at_least_float32(torch.bmm(rows.to(keys.dtype), keys))
    size = keys.shape[-1] - start
    scores.view(-1, size, keys.shape[-1])[:, :, start:] += _future(scores.dtype, scores.device)[:size, :size]
    return torch.softmax(scores, -1)


def at_least_float32(tensor: Tensor) -> Tensor:
    """The tensor in float32, or in its own format if that is wider."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


@cache
def _future(dtype: torch.dtype, device: torch.device) -> Tensor:
    """−∞ above the diagonal, else 0: (QUERY_BLOCK, QUERY_BLOCK)."""
    return torch.full((QUERY_BLOCK, QUERY_BLOCK), -torch.inf, dtype=dtype, device=device).triu_(1)
