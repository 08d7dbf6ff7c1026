"""The order of rows, their shares, and the weights of tasks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from sft_cli.run.flags import Flag
from sft_cli.training.tables import ORDERS


@dataclass(frozen=True, kw_only=True)
class MixtureSettings:
    """Order, shares of sources, weights of tasks."""

    group: ClassVar[str] = "Data"

    order: Annotated[str, Flag("order of the rows in an epoch", choices=ORDERS)] = "shuffled"
    curriculum_key: Annotated[
        str, Flag("field of a row with the number by which --order curriculum sorts, low to high", metavar="KEY")
    ] = "difficulty"
    mix: Annotated[
        list[str],
        Flag(
            "share of a source (a task, or a file without tasks) in each epoch; sft scales all shares to the "
            "sum 1; repeatable",
            metavar="NAME=SHARE",
        ),
    ] = field(default_factory=list)
    mix_temperature: Annotated[
        float | None,
        Flag(
            "shares of sources ∝ rows^(1/T): T = 1 keeps the proportions, larger T makes them more equal",
            above=0,
            metavar="T",
        ),
    ] = None
    stratify: Annotated[
        bool,
        Flag("put a row of every source into every step; rare sources then appear more often than their shares say"),
    ] = False
    task_weight: Annotated[
        list[str],
        Flag(
            "weight of a task in the loss of a step: Σ weight·(mean loss of the task) / Σ weight; "
            "repeatable [default: 1]",
            metavar="NAME=WEIGHT",
            group="Loss",
        ),
    ] = field(default_factory=list)
