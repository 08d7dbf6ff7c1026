"""How the processes that `torchrun` starts share the work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from sft_cli.run.flags import Flag


@dataclass(frozen=True, kw_only=True)
class DeviceSettings:
    """Sharding, and how long processes wait for each other."""

    group: ClassVar[str] = "Devices"

    shard: Annotated[
        bool, Flag("split weights, gradients and optimizer state over the processes of torchrun (FSDP2)", neutral=True)
    ] = False
    rank_timeout: Annotated[
        int,
        Flag("end the run if a process of torchrun does not answer for this many seconds", minimum=1, neutral=True),
    ] = 600
