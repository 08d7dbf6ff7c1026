"""Folders as inputs: their data files in a fixed order, and a message about all other files."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from sft_cli.data.kinds import FILE_KINDS, kind_of
from sft_cli.run.errors import UserError
from sft_cli.run.text import counted

MOST_OTHERS_NAMED = 8


def input_files(paths: list[str], kind: str, say: Callable[[str], None]) -> list[str]:
    """The inputs; each folder is replaced by its files and those of its subfolders, sorted. `say` reports other files.

    Files of a folder are read by the endings of their names, or all of them as `kind`, if given.
    """
    files: list[str] = []
    for path in paths:
        files += _files_in(Path(path), kind, say) if path != "-" and Path(path).is_dir() else [path]
    return files


def _files_in(folder: Path, kind: str, say: Callable[[str], None]) -> list[str]:
    paths: list[Path] = []
    others: list[Path] = []
    links: list[str] = []  # a link may lead around in a circle, or out of the folder
    for parent, folders, names in os.walk(folder, onerror=_refuse):
        folders.sort()
        found_here = [Path(parent) / name for name in folders if (Path(parent) / name).is_symlink()]
        links += [str(path.relative_to(folder)) for path in found_here]
        for name in sorted(names):
            path = Path(parent) / name
            is_data = not _is_hidden(path.relative_to(folder)) and not _is_manifest(name) and not _is_pipe(path)
            (paths if is_data and (kind or kind_of(name)) else others).append(path)
    paths.sort()
    if others:
        names = [str(path.relative_to(folder)) for path in sorted(others)]
        say(f"{folder}: {counted(len(others), 'file')} of other types left out: {_first_names(names)}")
    if links:
        say(f"{folder}: {counted(len(links), 'link')} to other folders left out: {_first_names(sorted(links))}")
    if not paths:
        endings = ", ".join(FILE_KINDS)
        raise UserError(
            f"{folder}: no file of a known type\nhint: known endings: {endings}, each also with .gz or .zst"
        )
    say(f"{folder}: {counted(len(paths), 'file')}")
    return [str(path) for path in paths]


def _first_names(names: list[str]) -> str:
    more = f", and {len(names) - MOST_OTHERS_NAMED:,} more" if len(names) > MOST_OTHERS_NAMED else ""
    return ", ".join(names[:MOST_OTHERS_NAMED]) + more


def _is_pipe(path: Path) -> bool:
    """Whether a file is a pipe, a socket or a device: to read it can wait for ever."""
    try:
        mode = path.stat().st_mode
    except OSError:  # a link that leads nowhere: the reader says so
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _refuse(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot read: {error.strerror}") from error


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _is_manifest(name: str) -> bool:
    """Whether sft wrote this file to describe another one."""
    return name == "manifest.json" or name.endswith(".meta.json")
