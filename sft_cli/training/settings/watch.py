"""What is measured and kept while the run goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sft_cli.run.flags import Flag


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
