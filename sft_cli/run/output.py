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
SCRATCH = re.compile(r"\.?(step|best)-\d+(-tmp)?(\.removed)?")


def is_stream(path: str | Path) -> bool:
    """Whether `path` has nothing to replace: `-`, /dev/null, a named pipe, /dev/stdout even when that is a file."""
    target = Path(path)
    is_special = target.exists() and not target.is_file() and not target.is_dir()
    return str(path) == "-" or str(path).startswith("/dev/") or is_special


def refuse_existing(path: str | Path, force: bool) -> None:
    """Raise UserError if `path` is there already (a file, or a folder that is not empty) and `force` is off."""
    target = Path(path)
    if force or is_stream(path):
        return
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise UserError(
            f"{path}: already exists\nhint: --force replaces it, --skip-if-current keeps it if it is current"
        )


@contextlib.contextmanager
def open_stream(path: str | Path) -> Iterator[TextIO]:
    """Give a text file that is written in place: stdout (`-`), a device, a named pipe."""
    if str(path) == "-":
        yield sys.stdout
        return
    with open(path, "w", encoding="utf-8", newline="\n") as sink:
        yield sink


def removed_name(folder: Path) -> Path:
    """What a folder is called while it is removed."""
    return folder.with_name(f".{folder.name}.removed")


def remove_folder(folder: Path) -> None:
    """Remove a folder, so that it is whole or not there: it is renamed away first."""
    import shutil

    gone = removed_name(folder)
    if folder.is_dir():
        shutil.rmtree(gone, ignore_errors=True)  # half of one, from a run that was killed here
        os.replace(folder, gone)
    if gone.is_dir():
        shutil.rmtree(gone)


def put_in_place(partial: Path, target: Path) -> None:
    """Rename a finished file or folder; done once more after a kill, it does the rest.

    An older folder there is removed only after the new one is in its place.
    """
    import shutil

    gone = removed_name(target)
    if partial.exists():
        if target.is_dir():
            shutil.rmtree(gone, ignore_errors=True)
            os.replace(target, gone)
        os.replace(partial, target)
    if gone.is_dir():
        shutil.rmtree(gone)


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
