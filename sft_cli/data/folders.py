"""Folders as inputs: their data files in a fixed order, and a message about all other files."""

from __future__ import annotations

import os
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
    for parent, folders, names in os.walk(folder, onerror=_refuse):
        folders.sort()
        for name in sorted(names):
            path = Path(parent) / name
            is_data = not _is_hidden(path.relative_to(folder)) and not _is_manifest(name)
            (paths if is_data and (kind or kind_of(name)) else others).append(path)
    paths.sort()
    if others:
        named = ", ".join(str(path.relative_to(folder)) for path in sorted(others)[:MOST_OTHERS_NAMED])
        more = f", and {len(others) - MOST_OTHERS_NAMED:,} more" if len(others) > MOST_OTHERS_NAMED else ""
        say(f"{folder}: {counted(len(others), 'file')} of other types left out: {named}{more}")
    if not paths:
        endings = ", ".join(FILE_KINDS)
        raise UserError(
            f"{folder}: no file of a known type\nhint: known endings: {endings}, each also with .gz or .zst"
        )
    say(f"{folder}: {counted(len(paths), 'file')}")
    return [str(path) for path in paths]


def _refuse(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot read: {error.strerror}") from error


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _is_manifest(name: str) -> bool:
    """Whether sft wrote this file to describe another one."""
    return name == "manifest.json" or name.endswith(".meta.json")
