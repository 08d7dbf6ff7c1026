"""Files with lists of words."""

from __future__ import annotations

from pathlib import Path


def read_word_list(path: Path) -> list[str]:
    """The lines of a list, without comments (`#`) and empty lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]
