"""Adapters: one function each, `adapter(model, plan) -> peft config`; a table that `--help` reads without torch.

Every adapter but progressive columns, which make a model of their own, is trained by peft and saved so that plain
peft loads it onto the model it started from.
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

# Adapters whose whole effect on a weight is s·B·A, 0 at the start.
PLAIN_LORAS = ("lora", "rslora", "lora-plus", "qlora")


@dataclass(frozen=True)
class Traits:
    """What an adapter takes and the defaults that suit it.

    flags: settings that belong to it. learning_rate: peak, for AdamW. rank: default. alpha: default for a rank.
    """

    flags: tuple[str, ...] = ("rank", "lora_alpha", "lora_dropout", "target_modules")
    learning_rate: float = 2e-4
    rank: int | None = 16
    alpha: Callable[[int], float] = lambda rank: 2 * rank


TRAITS = {
    "none": Traits(flags=("save_dtype",), learning_rate=2e-5, rank=None),
    "lora": Traits(),
    # Its scale is alpha/√rank: a constant alpha keeps the size of an update the same at every rank.
    "rslora": Traits(alpha=lambda rank: 16),
    "dora": Traits(),
    "lora-plus": Traits(flags=(*Traits().flags, "lora_plus_ratio"), learning_rate=1e-4),
    # They start from parts of the weights themselves, which a rate made for weights of zero would spoil.
    "pissa": Traits(learning_rate=2e-5, alpha=lambda rank: rank),
    "corda": Traits((*Traits().flags, "corda_data", "corda_rows"), 2e-5, 16, lambda rank: rank),
    "ia3": Traits(flags=("target_modules",), learning_rate=3e-3, rank=None),
    "osf": Traits(flags=("rank", "target_modules"), learning_rate=2e-5, rank=None),
    "qlora": Traits(),
    "progressive": Traits(("column_name", "column_ratio", "column_stride", "laterals", "save_dtype"), 3e-3, None),
    "progressive-lora": Traits(("rank", "lora_alpha", "column_name", "laterals", "save_dtype")),
}
COLUMN_ADAPTERS = (
    "progressive",
    "progressive-lora",
)  # adapters that give a model of their own, with a column for each task

LORA_PLUS_RATIO = 16.0  # Hayou et al. 2024, section 5: a ratio of 2⁴ was best on average
CORDA_ROWS = 256  # Yang et al. 2024, section 4: 256 samples


@dataclass(frozen=True)
class ColumnPlan:
    """A progressive column: its name if it has one, its width and depth as parts of the base's, what it reads."""

    name: str | None = None
    ratio: int = COLUMN_RATIO
    stride: int = COLUMN_STRIDE
    laterals: str = LATERALS[0]


@dataclass(frozen=True)
class AdapterPlan:
    """An adapter with its defaults filled in.

    targets: names of linear layers, or endings of them; empty: those that the adapter is made for. calibrate: runs
    rows through the model it is given, for an adapter that looks at activations. keeps_old: those rows are what
    must not be forgotten, not what is learned. column: for progressive columns.
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
        """The same plan with rows to look at."""
        return replace(self, calibrate=calibrate, keeps_old=keeps_old)
