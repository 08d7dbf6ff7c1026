"""Attention for packed documents: each document attends only to itself, without a (ΣL)² mask."""

from __future__ import annotations

import contextlib
from functools import lru_cache
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import AttentionInterface, AttentionMaskInterface, AutoModelForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from sft_cli.model.cpu_attention import Scoring, cpu_attention
from sft_cli.model.slots import Slots

NAME = "document_sdpa"
# Not cuDNN's, which plans for a tenth of a second for every new shape, and almost every step has a new shape.
CUDA_BACKENDS = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]


def document_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    cu_seq_lens_q: Tensor | None = None,
    slots: Slots | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Causal attention inside each packed document; plain SDPA when `cu_seq_lens_q` is not given.

    query (1, H, N, D), key and value (1, H_kv, N, D); `cu_seq_lens_q` (documents + 1,), on the CPU, holds the
    cumulative lengths. Returns (1, N, H, D). Equal to running each document alone (tests/model/test_packing.py). On a
    CPU it is `sft_cli.model.cpu_attention`, elsewhere `padded_attention`.
    """
    for name in ("softcap", "s_aux", "sliding_window"):  # `can_pack` refuses models with any of these
        if cu_seq_lens_q is not None and kwargs.get(name) is not None:
            raise RuntimeError(f"packed attention does not compute {name}")
    # A bias on the keys (Qwen2) adds a large common value to the scores; bfloat16 would lose their differences.
    has_bias = getattr(getattr(module, "k_proj", None), "bias", None) is not None
    if slots is not None:
        return slots.attend(module.layer_idx, (query, key, value), Scoring(scaling, has_bias)), None
    if cu_seq_lens_q is None:
        with _backends(query.device):
            return sdpa_attention_forward(
                module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **kwargs
            )
    lengths = cu_seq_lens_q.diff().tolist()
    if query.device.type == "cpu" and not dropout:
        return cpu_attention(query, key, value, lengths, Scoring(scaling, has_bias)), None
    return padded_attention(query, key, value, tuple(lengths), scaling, dropout), None


def padded_attention(
    query: Tensor, key: Tensor, value: Tensor, lengths: tuple[int, ...], scale: float | None, dropout: float
) -> Tensor:
    """Causal SDPA of packed documents, those of similar length as one batch; shapes as in `document_attention`.

    They are padded on the right, where none of their tokens looks, and at most to twice their length. This needs a few
    calls instead of one for each document, whose launches take a GPU longer than the computation. Positions after the
    last document are zeros.
    """
    outputs, has_groups = [], query.shape[1] != key.shape[1]
    groups, order = _padded_groups(lengths, query.device)
    for places, is_token in groups:
        q, k, v = (part[0][:, places].transpose(0, 1) for part in (query, key, value))  # (documents, heads, L, D)
        with _backends(query.device):
            output = functional.scaled_dot_product_attention(
                q, k, v, is_causal=True, scale=scale, dropout_p=dropout, enable_gqa=has_groups
            )
        outputs.append(output.transpose(1, 2).flatten(0, 1)[is_token])
    packed = torch.cat(outputs)[order]
    return functional.pad(packed, (0, 0, 0, 0, 0, query.shape[2] - len(packed)))[None]


def _backends(device: torch.device) -> contextlib.AbstractContextManager[None]:
    return sdpa_kernel(CUDA_BACKENDS) if device.type == "cuda" else contextlib.nullcontext()


@lru_cache(maxsize=4)  # every layer of a pass needs the same
@torch.inference_mode(False)  # tensors made in inference mode could not be used in training
def _padded_groups(lengths: tuple[int, ...], device: torch.device) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
    """Documents by powers of two of their length, and the order that restores their tokens.

    For each group: places (documents, L) of its tokens in the pack, with the last one repeated; and which of these, end
    to end, are tokens and not padding.
    """
    starts = [0, *accumulate(lengths)]
    by_size: dict[int, list[int]] = {}
    for document, length in enumerate(lengths):
        by_size.setdefault((length - 1).bit_length(), []).append(document)
    groups, order = [], []
    for members in by_size.values():
        longest = torch.arange(max(lengths[document] for document in members))[None]
        first = torch.tensor([starts[document] for document in members])[:, None]
        last = torch.tensor([lengths[document] - 1 for document in members])[:, None]
        places = first + torch.minimum(longest, last)
        is_token = (longest <= last).flatten().nonzero()[:, 0]
        order.append(places.flatten()[is_token])
        groups.append((places.to(device), is_token.to(device)))
    return groups, torch.cat(order).argsort().to(device)


AttentionInterface.register(NAME, document_attention)
# Without this line transformers would silently ignore padding in `generate`.
AttentionMaskInterface.register(NAME, sdpa_mask)


def can_pack(config: Any) -> bool:
    """Whether a model's attention is plain causal, so that `document_attention` computes the same."""
    config = _of_text(getattr(config, "base", config))  # for progressive columns, whose blocks are plain
    kinds = getattr(config, "layer_types", None) or ["full_attention"]
    unusual = ("attn_logit_softcapping", "attention_chunk_size", "attention_sink", "alibi")
    sliding = getattr(config, "sliding_window", None) is not None and getattr(config, "use_sliding_window", True)
    if set(kinds) != {"full_attention"} or sliding or any(getattr(config, name, None) for name in unusual):
        return False
    architecture = _architecture(config)
    return all(getattr(architecture, name, False) for name in ("_supports_sdpa", "_supports_attention_backend"))


def attention_for(config: Any) -> str:
    """The attention implementation to load a model with: ours, SDPA on padded batches, or the model's own (eager).

    Eager if transformers has no SDPA for an architecture, and for caps on scores, which SDPA would ignore.
    """
    if can_pack(config):
        return NAME
    has_sdpa = getattr(_architecture(config), "_supports_sdpa", True)  # for unknown architectures, loading shows it
    return "sdpa" if has_sdpa and not getattr(_of_text(config), "attn_logit_softcapping", None) else "eager"


def describe_attention(config: Any) -> list[str]:
    """A line about the separation of rows, for a model whose rows cannot be packed."""
    chosen = config._attn_implementation
    if chosen == NAME:
        return []
    how = "eager (this model has no faster one)" if chosen == "eager" else chosen
    return [f"attention: {how}, on batches padded to their longest row: {config.model_type} cannot be packed"]


def _of_text(config: Any) -> Any:
    return config.get_text_config() if hasattr(config, "get_text_config") else config


def _architecture(config: Any) -> Any:
    """The class of a config's causal language model; None if transformers has no such class."""
    try:
        return AutoModelForCausalLM._model_mapping[type(config)]
    except KeyError:
        return None
