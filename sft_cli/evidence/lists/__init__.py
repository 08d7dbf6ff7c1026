"""Lists of words of two languages, one file each. Chinese words have simplified and traditional characters."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def list_lines(name: str) -> list[str]:
    """The lines of a list, without comments (`#`) and empty lines."""
    lines = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def listed_words(name: str) -> list[str]:
    """The words of a list, in order."""
    return " ".join(list_lines(name)).split()
