"""Lists of words and patterns that a user gives: one file for each kind, one entry on each line."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from sft_cli.metrics.plain_text import fold_width
from sft_cli.metrics.tokenizers import mixed
from sft_cli.run.errors import UserError, shown

WORDS, PATTERNS = ".txt", ".regex"
KIND = re.compile(r"[a-z][a-z0-9-]*")
LISTS_HINT = f"\nhint: a file KIND{WORDS} has a word or phrase on each line, a file KIND{PATTERNS} a regular expression"


@dataclass
class WordList:
    """The words and patterns of one kind, such as toxicity."""

    phrases: dict[str, list[tuple[str, ...]]] = field(default_factory=lambda: defaultdict(list))  # by first token
    patterns: list[re.Pattern[str]] = field(default_factory=list)
    entries: list[str] = field(default_factory=list)

    def first_in(self, text: str, tokens: Sequence[str]) -> str | None:
        """The first entry that a text has: a phrase as whole words, or a pattern; None if it has none."""
        for place, token in enumerate(tokens):
            for phrase in self.phrases.get(token, ()):
                if tuple(tokens[place : place + len(phrase)]) == phrase:
                    return " ".join(phrase)
        return next((match[0] for pattern in self.patterns if (match := pattern.search(text))), None)

    @property
    def digest(self) -> str:
        """The number of entries, and eight hexadecimal digits that identify them."""
        return f"{len(self.entries)}@{sha256(chr(10).join(sorted(self.entries)).encode()).hexdigest()[:8]}"


def read_word_lists(path: str) -> dict[str, WordList]:
    """The lists of a folder, or of one file, by the name of the file without its ending.

    Empty lines and lines that begin with # are left out. Raises UserError for a file with another ending, without
    entries, or with a bad pattern.
    """
    place = Path(path)
    files = sorted(each for each in place.iterdir() if not each.name.startswith(".")) if place.is_dir() else [place]
    if not files:
        raise UserError(f"lists: {path}: expected lists, got an empty folder{LISTS_HINT}")
    lists: dict[str, WordList] = {}
    for file in files:
        if file.suffix not in (WORDS, PATTERNS) or not KIND.fullmatch(file.stem):
            raise UserError(f"lists: {file}: expected a name such as toxicity{WORDS} or toxicity{PATTERNS}{LISTS_HINT}")
        read = lists.setdefault(file.stem, WordList())
        before = len(read.entries)
        for number, line in enumerate(_list_lines(file), 1):
            if line and not line.startswith("#"):
                _add(read, line, file, number)
        if len(read.entries) == before:
            raise UserError(f"lists: {file}: expected a word on each line, got none{LISTS_HINT}")
    return lists


def _list_lines(file: Path) -> list[str]:
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise UserError(f"lists: {file}: cannot read: {reason}{LISTS_HINT}") from None


def _add(read: WordList, line: str, file: Path, number: int) -> None:
    read.entries.append(f"{file.suffix} {line}")
    if file.suffix == WORDS:
        if not any(map(str.isalnum, line)):
            raise UserError(
                f"{file}:{number}: expected a word with a letter or a digit, got {shown(line)}\n"
                f"hint: to find signs such as *, write a regular expression into {file.stem}{PATTERNS}"
            )
        phrase = tuple(mixed(line))
        read.phrases[phrase[0]].append(phrase)
        return
    try:
        read.patterns.append(re.compile(fold_width(line), re.IGNORECASE))
    except re.error as error:
        raise UserError(f"{file}:{number}: expected a regular expression, got {shown(line)}: {error}") from None
