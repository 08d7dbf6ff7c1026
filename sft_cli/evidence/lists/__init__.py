"""Lists of words of two languages, one file each. Chinese words have simplified and traditional characters."""

from __future__ import annotations

from pathlib import Path

from sft_cli.run.word_lists import read_word_list

FOLDER = Path(__file__).parent


def list_lines(name: str) -> list[str]:
    """The lines of a list, without comments (`#`) and empty lines."""
    return read_word_list(FOLDER / f"{name}.txt")


def listed_words(name: str) -> list[str]:
    """The words of a list, in order."""
    return " ".join(list_lines(name)).split()
