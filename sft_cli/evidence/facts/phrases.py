"""Patterns of the phrases of a list, in which a line is a phrase with choices."""

from __future__ import annotations

import re

from sft_cli.evidence.lists import list_lines

SAME_SENTENCE = r"[^.;!?。；！？]*?"


def phrase_pattern(name: str) -> re.Pattern[str]:
    """One pattern for all phrases of a list; a group of it has the words after three dots.

    A line has words with spaces between them. `is/was` is one of two words, `the?` may be missing, `no-one` is two
    words in one choice, and what comes after `...` is later in the same sentence.
    """
    return re.compile("|".join(_of_line(line) for line in list_lines(name)), re.IGNORECASE)


def _of_line(line: str) -> str:
    before, _, after = line.partition("...")
    later = rf"(?={SAME_SENTENCE}({_of_words(after)}))" if after else ""
    return _of_words(before) + later


def _of_words(text: str) -> str:
    pattern, gap = "", ""
    for word in text.split():
        choice = "|".join(re.escape(each).replace(r"\-", r"\s+") for each in word.rstrip("?").split("/"))
        choice = choice.replace("'", "['’]")
        is_latin = word[0].isascii()
        part = rf"{gap}(?:{choice})"
        pattern += f"(?:{part})?" if word.endswith("?") else part
        gap = r"\s+" if is_latin else ""
    return rf"\b{pattern}\b" if text.strip()[0].isascii() else pattern
