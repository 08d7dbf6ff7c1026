"""Adapters: one function each, `adapter(model, plan) -> peft config`; a table that `--help` reads without torch.

Progressive columns make a new kind of model. Every other adapter is trained by peft and saved so that plain peft can
load it onto the model from which training started.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sft_cli.model.column_shape import COLUMN_RATIO, COLUMN_STRIDE, LATERALS
from sft_cli.run.registry import Table

ADAPTERS = Table(
    "adapter",
    {
        "none": "sft_cli.model.adapters.lora:none",
        "lora": "sft_cli.model.adapters.lora:lora",
        "rslora": "sft_cli.model.adapters.lora:rslora",
        "dora": "sft_cli.model.adapters.lora:dora",
        "lora-plus": "sft_cli.model.adapters.lora:lora_plus",
        "pissa": "sft_cli.model.adapters.lora:pissa",
        "corda": "sft_cli.model.adapters.corda:corda",
        "ia3": "sft_cli.model.adapters.ia3:ia3",
        "osf": "sft_cli.model.adapters.osf:osf",
        "qlora": "sft_cli.model.adapters.lora:qlora",
        "progressive": "sft_cli.model.adapters.progressive:progressive",
        "progressive-lora": "sft_cli.model.adapters.progressive:progressive_lora",
    },
)

# Adapters whose only effect on a weight is s·B·A, 0 at the start.
PLAIN_LORAS = ("lora", "rslora", "lora-plus", "qlora")


@dataclass(frozen=True)
class Traits:
    """The flags of an adapter and its defaults.

    flags: settings that belong to it. learning_rate: peak, for AdamW. rank: default. alpha: default for a rank.
    """

    flags: tuple[str, ...] = ("rank", "lora_alpha", "lora_dropout", "target_modules")
    learning_rate: float = 2e-4
    rank: int | None = 16
    alpha: Callable[[int], float] = lambda rank: 2 * rank


TRAITS = {
    "none": Traits(flags=("save_dtype",), learning_rate=2e-5, rank=None),
    "lora": Traits(),
    # The scale is alpha/√rank: with a constant alpha, an update has the same size at every rank.
    "rslora": Traits(alpha=lambda rank: 16),
    "dora": Traits(),
    "lora-plus": Traits(flags=(*Traits().flags, "lora_plus_ratio"), learning_rate=1e-4),
    # They start from parts of the weights, which a learning rate for weights of zero would damage.
    "pissa": Traits(learning_rate=2e-5, alpha=lambda rank: rank),
    "corda": Traits((*Traits().flags, "corda_data", "corda_rows"), 2e-5, 16, lambda rank: rank),
    "ia3": Traits(flags=("target_modules",), learning_rate=3e-3, rank=None),
    "osf": Traits(flags=("rank", "target_modules"), learning_rate=2e-5, rank=None),
    "qlora": Traits(),
    "progressive": Traits(("column_name", "column_ratio", "column_stride", "laterals", "save_dtype"), 3e-3, None),
    "progressive-lora": Traits(("rank", "lora_alpha", "column_name", "laterals", "save_dtype")),
}
COLUMN_ADAPTERS = ("progressive", "progressive-lora")  # adapters that make a model with a column for each task

LORA_PLUS_RATIO = 16.0  # Hayou et al. 2024, section 5: a ratio of 2⁴ was best on average
CORDA_ROWS = 256  # Yang et al. 2024, section 4: 256 samples


@dataclass(frozen=True)
class ColumnPlan:
    """A progressive column: its name or None, its width and depth as shares of the base's, and what it reads."""

    name: str | None = None
    ratio: int = COLUMN_RATIO
    stride: int = COLUMN_STRIDE
    laterals: str = LATERALS[0]


@dataclass(frozen=True)
class AdapterPlan:
    """An adapter with its defaults filled in.

    targets: names of linear layers, or their endings; empty: the usual layers of the adapter. calibrate: runs rows
    through a model, for an adapter that uses activations. keeps_old: the rows are not to learn, but to preserve.
    column: for progressive columns.
    """

    name: str
    rank: int | None = 16
    alpha: float = 32
    dropout: float = 0.0
    targets: tuple[str, ...] = ()
    seed: int = 0
    calibrate: Callable[[Any], None] | None = None
    keeps_old: bool = False
    column: ColumnPlan = ColumnPlan()

    def with_rows(self, calibrate: Callable[[Any], None], keeps_old: bool) -> AdapterPlan:
        """The same plan with rows for the adapter."""
        return replace(self, calibrate=calibrate, keeps_old=keeps_old)
