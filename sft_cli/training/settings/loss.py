"""What is minimised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sft_cli.losses import LOSSES
from sft_cli.run.flags import Flag


@dataclass(frozen=True, kw_only=True)
class LossSettings:
    """The loss and its options."""

    loss: Annotated[str, Flag("what is minimised", choices=LOSSES)] = "cross-entropy"
