"""Evaluation, saving and metrics during the run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from sft_cli.run.flags import Flag
from sft_cli.training.tables import TRACKERS


@dataclass(frozen=True, kw_only=True)
class WatchSettings:
    """The preview, evaluation, saved states, and trackers."""

    group: ClassVar[str] = "Evaluation"

    show: Annotated[
        int,
        Flag(
            "print the first N rows to stderr, with marked targets", minimum=0, neutral=True, metavar="N", group="Data"
        ),
    ] = 0
    check_template: Annotated[
        bool,
        Flag(
            "check the chat template on the rows and stop; exit with code 1 if there is a problem",
            neutral=True,
            group="Data",
        ),
    ] = False

    eval_every: Annotated[
        int | None, Flag("also evaluate on the held-out rows every N steps, not only after each epoch", minimum=1)
    ] = None
    eval_metric: Annotated[
        str | None,
        Flag(
            "let the model answer the held-out rows greedily; use this metric of sft score instead of "
            "the held-out loss",
            metavar="NAME[:KEY=V]",
            starts="sft_cli.metrics:METRICS",
        ),
    ] = None
    eval_rows: Annotated[
        int | None, Flag("with --eval-metric: answer only the first N held-out rows [default: all]", minimum=1)
    ] = None
    best: Annotated[
        bool, Flag("write the weights of the best evaluation as the output, not those of the last step", is_usual=True)
    ] = False
    patience: Annotated[
        int | None, Flag("stop after N evaluations in a row that are not better than the best", minimum=1)
    ] = None
    save_every: Annotated[
        int | None,
        Flag(
            "save a state every N steps, from which --resume continues",
            minimum=1,
            neutral=True,
            group="Saving and resuming",
            is_usual=True,
        ),
    ] = None
    keep: Annotated[
        int, Flag("number of states to keep, the newest", minimum=1, neutral=True, group="Saving and resuming")
    ] = 1
    resume: Annotated[
        bool,
        Flag(
            "continue from the newest state in OUT.partial; start from step 1 if there is none",
            neutral=True,
            group="Saving and resuming",
            is_usual=True,
        ),
    ] = False
    track: Annotated[
        list[str],
        Flag(
            "also send the metrics to this tracker; repeatable",
            choices=TRACKERS,
            neutral=True,
            group="Saving and resuming",
        ),
    ] = field(default_factory=list)
    run_name: Annotated[
        str | None,
        Flag(
            "name of the run in the tracker [default: name of the output directory]",
            neutral=True,
            group="Saving and resuming",
        ),
    ] = None
