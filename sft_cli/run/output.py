"""Outputs that appear whole or not at all, and a stdout whose reader may leave."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from sft_cli.run.errors import UserError

STATE = re.compile(r"step-(\d+)")
# What a run keeps in OUT.partial for itself: states, the best weights so far, and what a kill has left of them.
SCRATCH = re.compile(r"\.?(step|best)-\d+(-tmp|\.\d+\.old)?")


def is_stream(path: str | Path) -> bool:
    """Whether `path` has nothing to replace: /dev/null, a named pipe, /dev/stdout even when that is a file."""
    target = Path(path)
    return str(path).startswith("/dev/") or (target.exists() and not target.is_file() and not target.is_dir())


def refuse_existing(path: str | Path, force: bool) -> None:
    """Raise UserError if `path` is there already (a file, or a folder that is not empty) and `force` is off."""
    target = Path(path)
    if str(path) == "-" or force or is_stream(path):
        return
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise UserError(
            f"{path}: already exists\nhint: --force replaces it, --skip-if-current keeps it if it is current"
        )


@contextlib.contextmanager
def open_output(path: str | Path) -> Iterator[TextIO]:
    """Give a text file that appears at `path` only if the block succeeds; `-` is stdout."""
    if str(path) == "-":
        yield sys.stdout
        return
    target = Path(path)
    if target.is_dir():
        raise UserError(f"{path}: cannot write: is a directory")
    if is_stream(path):
        with open(target, "w", encoding="utf-8", newline="\n") as sink:
            yield sink
        return
    partial = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sink = open(partial, "x", encoding="utf-8", newline="\n")  # noqa: SIM115 (used below)
    except OSError as error:
        raise UserError(f"{path}: cannot write: {error.strerror}") from error
    try:
        with sink:
            yield sink
            sink.flush()
            os.fsync(sink.fileno())
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def publish_directory(partial: Path, target: Path) -> None:
    """Rename a finished folder into place; an older one there is removed only after the new one is complete."""
    if target.exists():
        import shutil

        old = target.with_name(f".{target.name}.{os.getpid()}.old")
        os.replace(target, old)
        os.replace(partial, target)
        shutil.rmtree(old)
    else:
        os.replace(partial, target)


def partial_directory(target: str | Path) -> Path:
    """`OUT.partial`: what the folder OUT is called until it is whole."""
    path = Path(target)
    return path.with_name(path.name + ".partial")


def saved_states(partial: Path) -> list[Path]:
    """The whole states (`step-000200/`) in a partial folder, the newest first. `state.json` is written last."""
    if not partial.is_dir():
        return []
    found = [(int(match[1]), path) for path in partial.iterdir() if (match := STATE.fullmatch(path.name))]
    return [path for _, path in sorted(found, reverse=True) if (path / "state.json").is_file()]


def scratch_folders(partial: Path) -> list[Path]:
    """Folders in a partial folder that are no part of the output: states, the best weights so far, remains of them."""
    return sorted(path for path in partial.iterdir() if path.is_dir() and SCRATCH.fullmatch(path.name))


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def close_stdout_quietly() -> None:
    """Point stdout at nothing, so that the interpreter does not complain of the closed pipe when it exits."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
