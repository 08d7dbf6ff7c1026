"""Outputs that appear whole or not at all, and a stdout that its reader may close."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from sft_cli.run.errors import UserError

OUTPUT_FLAGS = ("out", "blind_page", "summary", "rejects", "ledger", "manifest", "junit", "html", "figures")
STATE = re.compile(r"step-(\d+)")
# What a run keeps in OUT.partial: states, the best weights so far, and incomplete folders of a killed run.
SCRATCH = re.compile(r"\.?(step|best)-\d+(-tmp)?(\.removed)?")


def asked_files(settings: Any) -> list[Path]:
    """The output files that the flags of a command name; files without a flag belong to the first."""
    named = [getattr(settings, name, None) for name in OUTPUT_FLAGS]
    return [Path(path) for path in named if path and not is_stream(path)]


def is_stream(path: str | Path) -> bool:
    """Whether `path` is a stream, with nothing to replace: `-`, /dev/null, a named pipe, /dev/stdout (even a file)."""
    target = Path(path)
    is_special = target.exists() and not target.is_file() and not target.is_dir()
    return str(path) == "-" or str(path).startswith("/dev/") or is_special


def refuse_existing(path: str | Path, force: bool) -> None:
    """Raise UserError if `path` exists (a file, or a folder that is not empty) and `force` is off."""
    target = Path(path)
    if force or is_stream(path):
        return
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise UserError(
            f"{path}: already exists\nhint: --force replaces it, --skip-if-current keeps it if it is up to date"
        )


@contextlib.contextmanager
def open_stream(path: str | Path) -> Iterator[TextIO]:
    """Yield a text file that is written in place: stdout (`-`), a device, a named pipe."""
    if str(path) == "-":
        yield sys.stdout
        return
    with open(path, "w", encoding="utf-8", newline="\n") as sink:
        yield sink


def removed_name(folder: Path) -> Path:
    """The name of a folder while it is removed."""
    return folder.with_name(f".{folder.name}.removed")


def remove_folder(folder: Path) -> None:
    """Remove a folder. It is renamed first, so that it never exists in part."""
    import shutil

    gone = removed_name(folder)
    if folder.is_dir():
        shutil.rmtree(gone, ignore_errors=True)  # the rest of a folder, from a run that was killed here
        os.replace(folder, gone)
    if gone.is_dir():
        shutil.rmtree(gone)


def put_in_place(partial: Path, target: Path) -> None:
    """Rename a finished file or folder; after a kill, a second call finishes the work.

    An older folder is removed only after the new folder is in its place.
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
    """`OUT.partial`: the name of the folder OUT until it is whole."""
    path = Path(target)
    return path.with_name(path.name + ".partial")


def saved_states(partial: Path) -> list[Path]:
    """The whole states (`step-000200/`) in a partial folder, the newest first. `state.json` is written last."""
    if not partial.is_dir():
        return []
    states = [(int(match[1]), path) for path in partial.iterdir() if (match := STATE.fullmatch(path.name))]
    return [path for _, path in sorted(states, reverse=True) if (path / "state.json").is_file()]


def scratch_folders(partial: Path) -> list[Path]:
    """Folders in a partial folder that are not part of the output: states, best weights, and their remains."""
    return sorted(path for path in partial.iterdir() if path.is_dir() and SCRATCH.fullmatch(path.name))


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def close_stdout_quietly() -> None:
    """Redirect stdout to /dev/null, so that the interpreter does not report the closed pipe when it exits."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
