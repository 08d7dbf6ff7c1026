"""What is measured and kept while the run goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from sft_cli.run.flags import Flag
from sft_cli.training.trackers import TRACKERS


@dataclass(frozen=True, kw_only=True)
class WatchSettings:
    """What is shown before the first step, and measured after each."""

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
        int | None, Flag("also measure the held-out loss every N steps, not only after each epoch", minimum=1)
    ] = None
    track: Annotated[
        list[str], Flag("also send the metrics there; may be given several times", choices=TRACKERS, neutral=True)
    ] = field(default_factory=list)
    run_name: Annotated[
        str | None, Flag("the run's name in a tracker; that of the output directory if not given", neutral=True)
    ] = None
