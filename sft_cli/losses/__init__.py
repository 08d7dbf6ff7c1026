"""Losses: one file each, `loss(logits (M, V), labels (M,), **options) -> (M,)`, a value for each target.

The head applies the weights, and the division is done once per optimizer step; a loss does neither.
"""

from sft_cli.run.registry import Table

LOSSES = Table(
    "loss",
    {
        "cross-entropy": "sft_cli.losses.cross_entropy:cross_entropy",
        "focal": "sft_cli.losses.focal:focal",
        "label-smoothing": "sft_cli.losses.label_smoothing:label_smoothing",
        "dft": "sft_cli.losses.dft:dft",
        "eaft": "sft_cli.losses.eaft:eaft",
    },
)
