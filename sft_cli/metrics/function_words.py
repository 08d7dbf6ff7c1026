"""English words and Chinese characters without content."""

from __future__ import annotations

from pathlib import Path

from sft_cli.run.word_lists import read_word_list


def _words_in(name: str) -> frozenset[str]:
    return frozenset(" ".join(read_word_list(Path(__file__).parent / "lists" / f"{name}.txt")).split())


FUNCTION_WORDS = _words_in("function_words")
FUNCTION_CHARACTERS = _words_in("function_characters")
