"""Joining the processes that `torchrun` started, and the messages when a process leaves."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
import signal
import time
import traceback
from collections.abc import Iterator, Mapping
from datetime import timedelta

import torch
import torch.distributed as dist

from sft_cli.model.device import device_of
from sft_cli.run.errors import UserError
from sft_cli.run.manifest import input_paths
from sft_cli.run.ranks import LAUNCH, ranks_of
from sft_cli.training.processes.world import SECONDS_BETWEEN_LOOKS, World
from sft_cli.training.settings import TrainSettings

SECONDS_TO_REPORT = 5.0  # time that the remaining processes wait for a report of the others


def world_of(environment: Mapping[str, str]) -> World:
    """The process of torchrun's variables; a world of one without them. Raises UserError if only some are set."""
    return World(*ranks_of(environment))


@contextlib.contextmanager
def join_world(settings: TrainSettings) -> Iterator[World]:
    """The world of this process, joined while the block runs.

    Each error is reported once, by the process that finds it first. If a process dies, the others end with one line
    that names it.
    """
    world = world_of(os.environ)
    if settings.shard and not os.environ.get("WORLD_SIZE"):
        raise UserError(f"--shard: needs several processes, but sft was started without torchrun\n{LAUNCH}")
    if world.size == 1 and not settings.shard:
        yield world
        return
    timeout = timedelta(seconds=settings.rank_timeout)
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    with _meeting(world):
        store, _, _ = next(dist.rendezvous("env://", timeout=timeout))
    world.store = dist.PrefixStore(f"sft/{attempt}", store)
    try:
        device = device_of(world.ranks, settings.device)
        if device.startswith("cuda"):
            torch.cuda.set_device(device)
        with _meeting(world):
            backend = "cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo"
            group = dist.PrefixStore(f"group/{attempt}", store)
            dist.init_process_group(backend, timeout=timeout, store=group, rank=world.rank, world_size=world.size)
        assert world.sum({"here": 1.0})["here"] == world.size
        if world.size > 1 and "-" in input_paths(settings):
            raise UserError("DATA: expected files, because several processes cannot read stdin, got -")
        yield world
        world.wait_for_all()
    except BaseException as error:
        raise farewell(world, error) from error
    finally:
        leave(world)


@contextlib.contextmanager
def _meeting(world: World) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError) as error:
        first = str(error).strip().split("\n")[0]
        raise UserError(f"rank {world.rank}: cannot connect to the other processes: {first}\n{LAUNCH}") from error


def leave(world: World) -> None:
    """Close the connections to the other processes, so that waiting processes notice at once."""
    # DDP's reducer is freed first: runs stopped forever when it was the last owner of the process group (docs/log.md).
    # Freed last, it seems to hold Python's lock while it waits for threads that wait for this lock.
    world.learner = None
    gc.collect()
    if dist.is_initialized():
        dist.destroy_process_group()


def farewell(world: World, error: BaseException) -> BaseException:
    """The exception to raise instead of `error`, so that all processes together report one error."""
    signal.signal(
        signal.SIGTERM, signal.SIG_IGN
    )  # torchrun sends it to all processes when one has died; the latest reason comes first
    kind = "error"
    if isinstance(error, KeyboardInterrupt):
        kind = "signal"
    elif is_lost_contact(error):
        kind = "lost"
    try:
        world.store.set(f"left/{world.rank}", kind)
        traceback.clear_frames(error.__traceback__)  # they refer to objects that `leave` must free
        with contextlib.suppress(RuntimeError):
            leave(world)
        if kind == "error":
            if world.is_main:
                _reasons(world)  # this process may own the store that the others still need
            return error if not isinstance(error, UserError) or _is_first(world, str(error)) else UserError("")
        reasons = _reasons(world)
        if "error" in reasons.values():
            return UserError("")  # the process that found it reports it
        dead = [rank for rank in range(world.size) if rank not in reasons]
    except RuntimeError:
        dead = [0]  # without torchrun's agent the store is in rank 0
    if dead:
        text = _obituary(dead, world.size)
        return UserError(text if _is_first(world, text) else "")
    if kind == "lost" and "signal" in reasons.values():
        return SystemExit(143)  # another process received a signal, and reports it
    if kind == "signal":
        # Ctrl-C raises KeyboardInterrupt itself, SIGTERM a kind of it (cli.py).
        return error if world.is_main else SystemExit(130 if type(error) is KeyboardInterrupt else 143)
    first = str(error).strip().split("\n")[0]
    text = f"the processes lost contact: {first}\n{RESUME_HINT}"
    return UserError(text if _is_first(world, "contact") else "")


RESUME_HINT = "hint: the same command with --resume continues from the last saved state"


def _obituary(dead: list[int], size: int) -> str:
    who = f"rank {dead[0]}" if len(dead) == 1 else f"ranks {', '.join(map(str, dead))}"
    return f"{who} of {size} processes died or did not answer, and training stopped\n{RESUME_HINT}"


def is_lost_contact(error: BaseException) -> bool:
    """Whether a collective call failed because another process has ended or does not answer."""
    if not isinstance(error, RuntimeError):
        return False
    text = str(error)
    return isinstance(error, dist.DistError) or any(word in text for word in ("gloo", "NCCL", "Connection closed"))


def _reasons(world: World) -> dict[int, str]:
    """The reason why each process left, by rank; without processes that do not report in SECONDS_TO_REPORT."""
    until = time.monotonic() + SECONDS_TO_REPORT
    reasons: dict[int, str] = {}
    while len(reasons) < world.size and time.monotonic() < until:
        for rank in range(world.size):
            if rank not in reasons and world.store.check([f"left/{rank}"]):
                reasons[rank] = world.store.get(f"left/{rank}").decode()
        time.sleep(SECONDS_BETWEEN_LOOKS)
    return reasons


def _is_first(world: World, text: str) -> bool:
    """Whether no other process has reported this yet."""
    try:
        return bool(world.store.add("said/" + hashlib.sha256(text.encode("utf-8")).hexdigest(), 1) == 1)
    except RuntimeError:
        return True
