"""Log-probabilities of given answers, by the same encoding and head that training uses."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sft_cli.model.encode import Encoder, Example
from sft_cli.model.forward import Batch, make_batch, weighted_loss


def reference_logprobs(
    model: Any, encoder: Encoder, row: dict[str, Any], references: list[str], longest: int
) -> list[dict[str, Any] | None]:
    """For each reference: {"sum": log-probability in nats, "tokens", "characters", "bytes"}; None if it is too long.

    Tokens count the stop token that ends the answer; characters and bytes are those of the reference.
    """
    if "messages" not in row or not references:
        return []
    examples = []
    for reference in references:
        messages = [*row["messages"], {"role": "assistant", "content": reference}]
        plain = {key: value for key, value in row.items() if key != "weight"}
        examples.append(encoder.example({**plain, "messages": messages}, targets="last"))
    fitting = [i for i, example in enumerate(examples) if len(example.ids) <= longest]
    sums = dict(zip(fitting, log_likelihoods(model, [examples[i] for i in fitting]), strict=True))
    return [
        {
            "sum": sums[i],
            "tokens": examples[i].target_count,
            "characters": len(reference),
            "bytes": len(reference.encode("utf-8")),
        }
        if i in sums
        else None
        for i, reference in enumerate(references)
    ]


def log_likelihoods(model: Any, examples: list[Example]) -> list[float]:
    """Σ log p(target) of each example, in nats: minus what training would sum as its cross-entropy."""
    if not examples:
        return []
    return sum_log_probs(model, make_batch(examples, str(model.device)), len(examples))


def sum_log_probs(model: Any, batch: Batch, count: int) -> list[float]:
    """Σ log p(target), in nats, over the targets of each of the `count` numbers in `batch.documents`."""
    found = torch.zeros(count, dtype=torch.float64, device=batch.ids.device)

    def negative_log_probs(logits: Tensor, rows: slice) -> Tensor:
        return functional.cross_entropy(logits, batch.labels[rows], reduction="none")

    with torch.no_grad():
        _, losses = weighted_loss(model, batch, negative_log_probs)
    found.index_add_(0, batch.documents, -losses.double())
    return [float(value) for value in found]
