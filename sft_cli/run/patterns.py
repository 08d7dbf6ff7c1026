"""Patterns of file names, such as `data/*.jsonl`, for a shell that leaves them as they are."""

from __future__ import annotations

import glob
from pathlib import Path

from sft_cli.run.errors import UserError

MANIFEST_ENDING = ".meta.json"


def matching(pattern: str) -> list[str]:
    """The files that a pattern matches, sorted, without manifests of sft; `**` means all folders.

    A name without `*`, `?` and `[`, and the name of a file that exists, is returned as it is. Raises UserError if no
    file matches.
    """
    if not glob.has_magic(pattern) or Path(pattern).exists():
        return [pattern]
    found = sorted(path for path in glob.glob(pattern, recursive=True) if not path.endswith(MANIFEST_ENDING))
    if not found:
        raise UserError(f"{pattern}: no file matches\nhint: * means any name, ** all folders: 'data/**/*.jsonl'")
    return found
