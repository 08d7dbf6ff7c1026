"""Causal attention of packed documents on a CPU: plain matrix products over blocks of queries.

torch's fused CPU kernel takes two to three times as long on documents of chat length (docs/log.md). Scores are float32
whatever the number format of the inputs; the backward pass forms them again, so that no (L, L) tensor is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

BLOCK = 192  # queries at a time: a document up to this length is one product, a longer one skips the future


def cpu_attention(query: Tensor, key: Tensor, value: Tensor, lengths: Sequence[int], scale: float | None) -> Tensor:
    """softmax(q·kᵀ·scale)·v inside each document, causal: (1, N, H, D) in the number format of `value`.

    query (1, H, N, D), key and value (1, H_kv, N, D), H a multiple of H_kv; `lengths` of the documents sum to N; `scale`
    None is 1/√D. Equals torch's scaled_dot_product_attention(is_causal=True) on each document.
    """
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    out: Tensor = _CpuAttention.apply(query, key, value, tuple(lengths), factor)
    return out


class _CpuAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, lengths: tuple[int, ...], scale: float
    ) -> Tensor:
        narrow = value.dtype
        ctx.dtypes = query.dtype, key.dtype
        query, key, value = query[0].to(narrow), key[0].to(narrow), value[0]
        heads, tokens, size = query.shape
        out = torch.empty(tokens, heads, size, dtype=narrow)
        with torch.autocast("cpu", enabled=False):
            for first, last, q, k, v in _documents(query, key, value, lengths):
                wide_key = _wide(k).transpose(1, 2)
                for start, end in _blocks(last - first):
                    rows = _by_key_head(q[:, start:end], len(k))
                    weights = _probabilities(rows, wide_key[:, :, :end], start, scale).to(narrow)
                    part = torch.bmm(weights, v[:, :end])
                    out[first + start : first + end] = part.view(heads, end - start, size).transpose(0, 1)
        ctx.save_for_backward(query, key, value, out)
        ctx.lengths, ctx.scale = lengths, scale
        return out[None]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *outputs: Tensor) -> Any:
        query, key, value, out = ctx.saved_tensors
        grad = outputs[0][0].to(value.dtype)  # (N, H, D)
        grads = torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)
        # Σ_j p_j·dp_j of each query is g·out (Dao et al. 2022, appendix B), so p need not be kept.
        inner = torch.einsum("nhd,nhd->hn", _wide(grad), _wide(out))
        with torch.autocast("cpu", enabled=False):
            for first, last, q, k, v in _documents(query, key, value, ctx.lengths):
                rows = slice(first, last)
                parts = [whole[:, rows] for whole in grads]
                _document_gradient(q, k, v, grad[rows].transpose(0, 1), inner[:, rows], ctx.scale, parts)
        return grads[0][None].to(ctx.dtypes[0]), grads[1][None].to(ctx.dtypes[1]), grads[2][None], None, None


def _document_gradient(
    query: Tensor, key: Tensor, value: Tensor, grad: Tensor, inner: Tensor, scale: float, into: list[Tensor]
) -> None:
    """Write the gradients of one document's query, key and value; `grad` (H, L, D) is that of its output."""
    groups, length, _ = key.shape
    wide_key, value_t = _wide(key).transpose(1, 2), value.transpose(1, 2)
    blocks = list(_blocks(length))
    sums = [torch.zeros_like(part, dtype=wide_key.dtype) for part in (key, value)] if len(blocks) > 1 else into[1:]
    for start, end in blocks:
        rows, g = (_by_key_head(x[:, start:end], groups) for x in (query, grad))
        weights = _probabilities(rows, wide_key[:, :, :end], start, scale)
        slopes = _wide(torch.bmm(g, value_t[:, :, :end]))
        slopes.sub_(inner[:, start:end].reshape(groups, -1, 1)).mul_(weights).mul_(scale)
        narrow = slopes.to(key.dtype)
        into[0][:, start:end] = torch.bmm(narrow, key[:, :end]).view(len(query), end - start, -1)
        products = torch.bmm(narrow.transpose(1, 2), rows), torch.bmm(weights.to(key.dtype).transpose(1, 2), g)
        for part, product in zip(sums, products, strict=True):
            if len(blocks) > 1:
                part[:, :end] += product
            else:
                part.copy_(product)
    if len(blocks) > 1:
        into[1].copy_(sums[0])
        into[2].copy_(sums[1])


def _documents(
    query: Tensor, key: Tensor, value: Tensor, lengths: Sequence[int]
) -> Iterator[tuple[int, int, Tensor, Tensor, Tensor]]:
    """(first token, end, and its query, key and value) of each document."""
    first = 0
    for length in lengths:
        last = first + length
        yield first, last, query[:, first:last], key[:, first:last], value[:, first:last]
        first = last


def _blocks(length: int) -> Iterator[tuple[int, int]]:
    """Query ranges of about equal size, none above BLOCK."""
    count = -(-length // BLOCK)
    size = -(-length // count)
    for start in range(0, length, size):
        yield start, min(start + size, length)


def _by_key_head(heads: Tensor, groups: int) -> Tensor:
    """(H, n, D) as (H_kv, H/H_kv·n, D): the query heads that share a key head, one under another."""
    return heads.reshape(groups, -1, heads.shape[-1])


def _probabilities(rows: Tensor, keys: Tensor, start: int, scale: float) -> Tensor:
    """Softmax over the past of each query, float32 or wider (H_kv, R·n, end); `start` is the block's first query."""
    scores = torch.bmm(_wide(rows), keys).mul_(scale)
    size = keys.shape[-1] - start
    scores.view(-1, size, keys.shape[-1])[:, :, start:] += _future(size, scores.dtype)
    return torch.softmax(scores, -1)


def _wide(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


@cache
def _future_of_block(dtype: torch.dtype) -> Tensor:
    return torch.full((BLOCK, BLOCK), -torch.inf, dtype=dtype).triu_(1)


def _future(size: int, dtype: torch.dtype) -> Tensor:
    """−∞ above the diagonal (size, size), else 0."""
    return _future_of_block(dtype)[:size, :size]
