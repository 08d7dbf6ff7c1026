"""The conversion of `sft prep` on a Ray cluster: shards of files are converted by Ray Data, and joined in order here.

Ray Data starts a task again if its machine dies, so nothing is lost.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sft_cli.data.block_conversion import BlockConverter, MadeBlock
from sft_cli.data.file_shards import FileShard, shards_of, with_first_lines
from sft_cli.run.errors import UserError, require


@contextlib.contextmanager
def ray_cluster(address: str | None) -> Iterator[None]:
    """A connection to the cluster at an address, or to one that is started on this machine and stopped again.

    Raises UserError if there is no Ray, or no cluster at the address.
    """
    require("ray", "--engine ray", "ray[data]>=2.40")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray
    import ray.data

    mine = not ray.is_initialized()
    if mine:
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"--ray-address {address}: no Ray cluster there: {reason}") from None
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield
    finally:
        if mine:
            ray.shutdown()


def made_by_ray(converter: BlockConverter) -> Iterator[MadeBlock]:
    """What becomes of each block of the converter's file, in order; the lines of its shards are counted first."""
    shards = shards_of(converter.path)
    shards = with_first_lines(shards, list(_mapped(shards, FileShard.count_lines)))
    for made in _mapped(shards, lambda shard: [converter.made(block) for block in shard.blocks()]):
        yield from made


def _mapped(shards: list[FileShard], work: Any) -> Iterator[Any]:
    """The result of each shard, in order; a task for each."""
    import ray
    import ray.data

    rows = [{"shard": shard} for shard in shards]
    try:
        for row in ray.data.from_items(rows, override_num_blocks=len(rows)).map(_Task(work)).iter_rows():
            yield row["result"]
    except ray.exceptions.RayError as error:
        reasons = re.findall(r"^\s*(\w*(?:Error|Exception): .*)", str(error), re.MULTILINE) or [type(error).__name__]
        raise UserError(
            f"--engine ray: a task failed: {reasons[0]}\n"
            "hint: each machine must find the inputs at the same paths, and have this version of sft"
        ) from error


@dataclass(frozen=True)
class _Task:
    """A function of a shard, as Ray Data calls it."""

    work: Any

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"result": self.work(row["shard"])}
