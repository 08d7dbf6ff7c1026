"""How the processes that `torchrun` starts share the work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sft_cli.run.flags import Flag


@dataclass(frozen=True, kw_only=True)
class DeviceSettings:
    """Sharding, and how long processes wait for each other."""

    shard: Annotated[
        bool, Flag("split weights, gradients and optimizer state over the processes of torchrun (FSDP2)", neutral=True)
    ] = False
    rank_timeout: Annotated[
        int, Flag("seconds until a process of torchrun that does not answer ends the run", minimum=1, neutral=True)
    ] = 600
