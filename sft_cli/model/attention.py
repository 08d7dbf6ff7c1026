"""Attention for packed documents: each document attends to itself alone, and no (ΣL)² mask is made."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, AutoModelForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from sft_cli.model.cpu_attention import cpu_attention
from sft_cli.model.slots import Slots

NAME = "document_sdpa"


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

    query (1, H, N, D), key and value (1, H_kv, N, D); `cu_seq_lens_q` (documents + 1,) holds the cumulative lengths.
    Returns (1, N, H, D). Equals running each document alone (tests/model/test_packing.py). On a CPU it is
    `sft_cli.model.cpu_attention`, elsewhere one SDPA call per document.
    """
    # A bias on the keys (Qwen2) makes scores large in common; in bfloat16 their differences would drown.
    has_bias = getattr(getattr(module, "k_proj", None), "bias", None) is not None
    if slots is not None:
        return slots.attend(module.layer_idx, query, key, value, scale=scaling, wide_scores=has_bias), None
    if cu_seq_lens_q is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **kwargs
        )
    lengths = cu_seq_lens_q.diff().tolist()
    if query.device.type == "cpu" and not dropout:
        return cpu_attention(query, key, value, lengths, scaling, wide_scores=has_bias), None
    outputs = [
        scaled_dot_product_attention(
            q, k, v, is_causal=True, scale=scaling, dropout_p=dropout, enable_gqa=query.shape[1] != key.shape[1]
        )
        for q, k, v in zip(query.split(lengths, 2), key.split(lengths, 2), value.split(lengths, 2), strict=True)
    ]
    return torch.cat(outputs, 2).transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, document_attention)
# Without this line transformers would silently ignore padding in `generate`.
AttentionMaskInterface.register(NAME, sdpa_mask)


def can_pack(config: Any) -> bool:
    """Whether a model's attention is plain causal, so that `document_attention` computes what the model means."""
    config = getattr(config, "base", config)  # of progressive columns, whose own blocks are plain
    kinds = getattr(config, "layer_types", None) or ["full_attention"]
    unusual = ("attn_logit_softcapping", "attention_chunk_size", "attention_sink", "alibi")
    sliding = getattr(config, "sliding_window", None) is not None and getattr(config, "use_sliding_window", True)
    if set(kinds) != {"full_attention"} or sliding or any(getattr(config, name, None) for name in unusual):
        return False
    try:
        architecture = AutoModelForCausalLM._model_mapping[type(config)]
    except KeyError:
        return False
    return bool(getattr(architecture, "_supports_attention_backend", False))


def attention_for(config: Any) -> str:
    """The attention implementation to load a model with: ours where it fits, else SDPA on padded batches."""
    return NAME if can_pack(config) else "sdpa"
