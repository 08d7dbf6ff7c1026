"""The number of this process among several, from the environment variables that `torchrun` sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sft_cli.run.errors import UserError

LAUNCH = "hint: torchrun --nproc-per-node 8 -m sft_cli …"


class Ranks(NamedTuple):
    """The `rank` of this process among `size`, from 0, and its `local_rank` among those of this machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0


def ranks_of(environment: Mapping[str, str]) -> Ranks:
    """The ranks from torchrun's variables; one process without them. Raises UserError if only some are set."""
    if not environment.get("WORLD_SIZE"):
        return Ranks()
    try:
        size, rank, local = (int(environment[name]) for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"))
    except (KeyError, ValueError) as error:
        raise UserError(
            f"WORLD_SIZE={environment['WORLD_SIZE']}: expected numbers in WORLD_SIZE, RANK and LOCAL_RANK, as torchrun "
            f"sets them, got a bad or missing {error.args[0]}\n{LAUNCH}"
        ) from error
    if not 0 <= rank < size:
        raise UserError(f"RANK={rank}: expected a number from 0 to {size - 1} (WORLD_SIZE={size})\n{LAUNCH}")
    return Ranks(rank, size, local)
