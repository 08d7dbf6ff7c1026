"""Which rows come when, how often, and what each task counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from sft_cli.run.flags import Flag
from sft_cli.training.tables import ORDERS


@dataclass(frozen=True, kw_only=True)
class MixtureSettings:
    """Order, shares of sources, weights of tasks."""

    order: Annotated[str, Flag("in which order an epoch goes through the rows", choices=ORDERS)] = "shuffled"
    curriculum_key: Annotated[
        str, Flag("the number in each row that --order curriculum sorts by, low to high", metavar="KEY")
    ] = "difficulty"
    mix: Annotated[
        list[str],
        Flag(
            "share of a source in each epoch; repeat it for every source. A source is a task, or a file's rows that "
            "name none; shares are divided by their sum",
            metavar="NAME=SHARE",
        ),
    ] = field(default_factory=list)
    mix_temperature: Annotated[
        float | None,
        Flag("shares of sources ∝ rows^(1/T): 1 as they are, more evens them out", above=0, metavar="T"),
    ] = None
    stratify: Annotated[
        bool,
        Flag("at least one row of every source in every step: rare ones come more often than their share says"),
    ] = False
    task_weight: Annotated[
        list[str],
        Flag(
            "loss = Σ weight·(mean loss of the task in the step) / Σ weight, and this is a task's weight (1 if not "
            "named); may be given several times",
            metavar="NAME=WEIGHT",
        ),
    ] = field(default_factory=list)
