"""One micro-batch through a model's body: hidden states at the positions that predict a target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sft_cli.encoding.encoder import Example
from sft_cli.model.attention import NAME
from sft_cli.model.head import TARGET_CHUNK, LossOfRows, chunked_loss

CPU_ROWS = 16  # a packed batch is padded to a multiple of this; no document sees the padding


@dataclass(frozen=True)
class Batch:
    """Documents end to end.

    ids, positions (1, N); lengths of the documents, summing to N; targets (M,): positions whose next token is a
    target; labels (M,): those tokens; weights (M,) float32; documents (M,): the document of each target.
    """

    ids: Tensor
    positions: Tensor
    lengths: tuple[int, ...]
    targets: Tensor
    labels: Tensor
    weights: Tensor
    documents: Tensor


def make_batch(examples: Sequence[Example], device: str = "cpu", scales: Sequence[float] | None = None) -> Batch:
    """Pack examples into one Batch; `scales`, one for each example, multiply its weights."""
    ids = np.concatenate([example.ids for example in examples]).astype(np.int64)
    weights = np.concatenate([example.weights for example in examples])
    if scales is not None:
        factors = np.repeat(np.array(scales, dtype=np.float64), [len(example.ids) for example in examples])
        weights = (weights * factors).astype(np.float32)
    lengths = tuple(len(example.ids) for example in examples)
    positions = np.concatenate([np.arange(length) for length in lengths])
    documents = np.repeat(np.arange(len(lengths)), lengths)
    labelled = np.flatnonzero(weights)
    if np.any(positions[labelled] == 0):
        raise ValueError("the first token of a document cannot be a target")

    def tensor(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(device)

    return Batch(
        ids=tensor(ids)[None],
        positions=tensor(positions)[None],
        lengths=lengths,
        targets=tensor(labelled - 1),
        labels=tensor(ids[labelled]),
        weights=tensor(weights[labelled]),
        documents=tensor(documents[labelled]),
    )


def inner_model(model: Any) -> Any:
    """The Hugging Face model inside a PeftModel, or the model itself."""
    return model.get_base_model() if hasattr(model, "peft_config") else model


def body_of(inner: Any) -> Any:
    """The model without its head, which computes hidden states."""
    return inner.model if inner.base_model is inner else inner.base_model  # Llama 4's prefix is for a larger model


def target_states(model: Any, batch: Batch) -> Tensor:
    """Hidden states (M, d) after the final norm, at `batch.targets`; padded if packing is not possible."""
    inner = inner_model(model)
    body = body_of(inner)
    if inner.config._attn_implementation == NAME:
        edges = torch.tensor([0, *np.cumsum(batch.lengths)], dtype=torch.int32)  # on the CPU: every layer reads them
        longest = max(batch.lengths)
        # Matrix products with some numbers of rows, such as 1 474, are a quarter slower on a CPU than with a round
        # number.
        filler = -batch.ids.shape[1] % CPU_ROWS if batch.ids.device.type == "cpu" else 0
        states = body(
            input_ids=functional.pad(batch.ids, (0, filler)),
            position_ids=functional.pad(batch.positions, (0, filler)),
            use_cache=False,
            cu_seq_lens_q=edges,
            cu_seq_lens_k=edges,
            max_length_q=longest,
            max_length_k=longest,
        ).last_hidden_state[0]
        return states[batch.targets]
    mask = torch.zeros(len(batch.lengths), max(batch.lengths), dtype=torch.bool, device=batch.ids.device)
    for row, length in enumerate(batch.lengths):
        mask[row, :length] = True
    ids = torch.zeros(mask.shape, dtype=torch.long, device=mask.device).masked_scatter(mask, batch.ids[0])
    states = body(input_ids=ids, attention_mask=mask.long(), use_cache=False).last_hidden_state
    return states[mask][batch.targets]


def has_plain_head(model: Any) -> bool:
    """Whether logits are hidden states times one matrix: no bias, no cap, no scale, no adapter on the head."""
    inner = inner_model(model)
    head = inner.get_output_embeddings()
    names = ("final_logit_softcapping", "logits_scaling", "logit_scale", "output_multiplier_scale")
    odd = any(getattr(inner.config, name, None) not in (None, 1.0) for name in names)
    return type(head) is torch.nn.Linear and head.bias is None and not odd


def weighted_loss(
    model: Any, batch: Batch, loss_of_rows: LossOfRows, chunk: int = TARGET_CHUNK
) -> tuple[Tensor, Tensor]:
    """(Σ w·loss over a batch's targets, the losses (M,) without a gradient).

    By the chunked head, or by the head of the model if that is not plain.
    """
    if has_plain_head(model):
        head = inner_model(model).get_output_embeddings()
        return chunked_loss(target_states(model, batch), head.weight, batch.weights, loss_of_rows, chunk)
    logits = target_logits(model, batch)
    starts = range(0, len(logits), chunk)
    parts = [slice(start, min(start + chunk, len(logits))) for start in starts]
    losses = torch.cat([loss_of_rows(logits[rows].float(), rows) for rows in parts])
    return (losses * batch.weights).sum(), losses.detach()


def target_logits(model: Any, batch: Batch) -> Tensor:
    """Logits (M, V) at the batch's targets, all at once, computed by the model itself: one document at a time."""
    inner, logits, start = inner_model(model), [], 0
    for length in batch.lengths:
        inside = batch.targets[(batch.targets >= start) & (batch.targets < start + length)] - start
        ids = batch.ids[:, start : start + length]
        logits.append(inner(input_ids=ids, use_cache=False, logits_to_keep=inside).logits[0])
        start += length
    return torch.cat(logits)
