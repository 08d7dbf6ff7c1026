"""The processes that train together: the share of each, and how they wait for each other."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.run.output import partial_directory
from sft_cli.run.ranks import Ranks

SECONDS_BETWEEN_LOOKS = 0.05


@dataclass
class World:
    """One process of `size`, `rank` from 0. All processes call every communicating method, equally often."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0  # among the processes of this machine
    store: Any = None  # keys and values that all processes see, also while one computes
    learner: Any = None  # the module that DDP or FSDP2 made (training/processes/data_parallel.py)
    is_sharded: bool = False
    _turns: int = 0

    @property
    def ranks(self) -> Ranks:
        """Return only its numbers."""
        return Ranks(self.rank, self.size, self.local_rank)

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and messages."""
        return self.rank == 0

    @contextlib.contextmanager
    def accumulating(self, is_last: bool) -> Iterator[None]:
        """Around one forward and backward pass: under DDP, gradients are added over processes only in the last pass.

        FSDP2 adds them in each pass: whole gradients would need the memory that sharding saves.
        """
        if is_last or not hasattr(self.learner, "no_sync"):
            yield
        else:
            with self.learner.no_sync():
                yield

    def seed(self, seed: int, step: int) -> None:
        """Before a step: make dropout and noise depend only on (seed, step, rank). No effect in a world of one."""
        if self.size > 1:
            torch.manual_seed(int(np.random.SeedSequence((seed, step, self.rank)).generate_state(1, np.uint64)[0]) >> 1)

    def gather(self, value: Any) -> list[Any]:
        """`value` of every process (any JSON value), by rank."""
        if self.size == 1:
            return [value]
        text = torch.frombuffer(bytearray(json.dumps(value).encode("utf-8")), dtype=torch.uint8)
        sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        dist.all_gather(sizes, torch.tensor([len(text)]))
        parts = [torch.zeros(int(max(sizes)), dtype=torch.uint8) for _ in range(self.size)]
        dist.all_gather(parts, torch.cat([text, text.new_zeros(int(max(sizes)) - len(text))]))
        return [json.loads(bytes(part[: int(n)].numpy())) for part, n in zip(parts, sizes, strict=True)]

    def sum(self, values: Mapping[str, float]) -> dict[str, float]:
        """Each value summed over all processes, in float64 and the order of ranks; a name may be missing on some."""
        totals: dict[str, float] = {}
        for part in self.gather(dict(values)):
            for name, value in part.items():
                totals[name] = totals.get(name, 0.0) + value
        return totals

    @contextlib.contextmanager
    def main_first(self) -> Iterator[None]:
        """The main process runs the block, then the others, so that they find its entries in a cache.

        They wait for it without a limit. If it fails they leave silently, because it has reported the error.
        """
        self._turns += 1
        key = f"turn/{self._turns}"
        if not self.is_main:
            self.wait_until(lambda: self.store.check([key]))
        yield
        if self.is_main and self.store is not None:
            self.store.set(key, "done")

    def of_main(self, give: Callable[[], Any]) -> Any:
        """The result of `give` (any JSON value) on the main process; only that calls it, the others wait."""
        value = None
        with self.main_first():
            if self.is_main:
                value = give()
        return self.gather(value)[0]

    def wait_for_all(self) -> None:
        """Continue when every process is here, without a limit of time."""
        if self.store is None:
            return
        self._turns += 1
        key = f"turn/{self._turns}"
        self.store.add(key, 1)
        self.wait_until(lambda: self.store.add(key, 0) >= self.size)
        # The main process may own the store: it stays until all others have read it.
        self.store.add(key, 1)
        if self.is_main:
            self.wait_until(lambda: self.store.add(key, 0) == 2 * self.size)

    def wait_until(self, is_so: Any) -> None:
        """Poll, so that signals are handled. Raises a silent UserError if a process has failed."""
        while not is_so():
            if any(self.store.check([f"left/{rank}"]) for rank in range(self.size)):
                raise UserError("")
            time.sleep(SECONDS_BETWEEN_LOOKS)

    @contextlib.contextmanager
    def output_directory(self, run: Run, resumes: bool = False) -> Iterator[Path]:
        """`run.output_directory(resumes)` in the main process; the others get its path when it exists."""
        with contextlib.ExitStack() as stack:
            folder = partial_directory(run.settings.out)
            with self.main_first():
                if self.is_main:
                    folder = stack.enter_context(run.output_directory(resumes))
            yield folder

    def own_settings(self, settings: Any) -> Any:
        """The settings for this process: only the main process prints, shows, tracks and writes files."""
        if self.is_main:
            return settings
        rejects = os.devnull if settings.rejects else None
        return dataclasses.replace(settings, quiet=True, manifest=None, rejects=rejects, show=0, track=[])
