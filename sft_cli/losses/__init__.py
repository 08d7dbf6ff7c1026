"""Losses: one file each, `loss(logits, labels, weights) -> weighted sum`; divided once per optimizer step."""

from sft_cli.run.registry import Table

LOSSES = Table(
    "loss",
    {
        "cross-entropy": "sft_cli.losses.cross_entropy:cross_entropy",
    },
)
