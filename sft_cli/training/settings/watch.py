"""What is measured and kept while the run goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from sft_cli.run.flags import Flag
from sft_cli.training.tables import TRACKERS


@dataclass(frozen=True, kw_only=True)
class WatchSettings:
    """What is shown first, what is evaluated and kept as the run goes on, where its metrics go."""

    show: Annotated[
        int, Flag("print the first N rows, their targets marked, to stderr", minimum=0, neutral=True, metavar="N")
    ] = 0
    check_template: Annotated[
        bool,
        Flag(
            "check the chat template on the rows and stop: exit 1 if something is wrong; loads no weights", neutral=True
        ),
    ] = False

    eval_every: Annotated[
        int | None, Flag("also evaluate on the held-out rows every N steps, not only after each epoch", minimum=1)
    ] = None
    eval_metric: Annotated[
        str | None,
        Flag(
            "also let the model answer the held-out rows (greedily), and judge by this metric of sft score instead of "
            "the held-out loss",
            metavar="NAME[:KEY=V]",
        ),
    ] = None
    eval_rows: Annotated[
        int | None, Flag("answer only the first N held-out rows for --eval-metric; all if not given", minimum=1)
    ] = None
    best: Annotated[bool, Flag("publish the weights of the best evaluation, not those of the last step")] = False
    patience: Annotated[
        int | None, Flag("stop after N evaluations in a row that are no better than the best", minimum=1)
    ] = None
    save_every: Annotated[
        int | None, Flag("save a state that --resume goes on from every N steps", minimum=1, neutral=True)
    ] = None
    keep: Annotated[int, Flag("states to keep, the newest", minimum=1, neutral=True)] = 1
    resume: Annotated[
        bool, Flag("go on from the newest state in OUT.partial; begin if there is none", neutral=True)
    ] = False
    track: Annotated[
        list[str], Flag("also send the metrics there; may be given several times", choices=TRACKERS, neutral=True)
    ] = field(default_factory=list)
    run_name: Annotated[
        str | None, Flag("the run's name in a tracker; that of the output directory if not given", neutral=True)
    ] = None
