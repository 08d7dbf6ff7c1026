"""What is measured and kept while the run goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sft_cli.run.flags import Flag


@dataclass(frozen=True, kw_only=True)
class WatchSettings:
    """Held-out loss."""

    eval_every: Annotated[
        int | None, Flag("also measure the held-out loss every N steps, not only after each epoch", minimum=1)
    ] = None
