"""From text to the tokens that overlap metrics count, for any script."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache
from itertools import groupby
from typing import Any, Literal

from sft_cli.metrics.plain_text import fold_width
from sft_cli.run.errors import require
from sft_cli.run.registry import Table
from sft_cli.run.writing_systems import HAN_RANGES, HANGUL, KANA

TOKENIZERS = Table(
    "tokenizer",
    {
        "mixed": "sft_cli.metrics.tokenizers:mixed",
        "char": "sft_cli.metrics.tokenizers:char",
        "jieba": "sft_cli.metrics.tokenizers:jieba",
        "rouge155": "sft_cli.metrics.tokenizers:rouge155",
        "mixed-raw": "sft_cli.metrics.tokenizers:mixed_raw",
        "char-raw": "sft_cli.metrics.tokenizers:char_raw",
    },
)
TokenizerName = Literal["mixed", "char", "jieba", "rouge155", "mixed-raw", "char-raw"]
LOSSLESS = ("mixed", "char", "jieba", "mixed-raw", "char-raw")  # they keep every letter and digit

LEAST_KEPT = 0.9
ASCII_WORD = re.compile(r"[a-z0-9]+")
SINGLE = re.compile(f"[{HAN_RANGES}{KANA}{HANGUL}]")
HAS_HAN, HAS_KANA, HAS_HANGUL = (re.compile(f"[{script}]") for script in (HAN_RANGES, KANA, HANGUL))


def mixed(text: str) -> list[str]:
    """Tokens of text in any script: the default.

    Usual widths (`fold_width`) and lower case. Each Chinese character, kana and Hangul syllable is a token, and so is
    each run of other letters and digits with their combining marks. Punctuation and symbols are dropped. A text with
    only punctuation or emoji keeps these characters, so it equals only itself. Thai, Lao and Khmer have no spaces
    between words: each run is one token.
    """
    return mixed_raw(fold_width(text))


def mixed_raw(text: str) -> list[str]:
    """As `mixed`, but widths stay: full-width letters and digits differ from the others."""
    text = text.lower()
    tokens = ASCII_WORD.findall(text) if text.isascii() else _split_words(text)
    return tokens or [character for character in text if not character.isspace()]


def char(text: str) -> list[str]:
    """Every character except white space, in usual widths and lower case."""
    return char_raw(fold_width(text))


def char_raw(text: str) -> list[str]:
    """Every character except white space, in lower case; widths stay."""
    return [character for character in text.lower() if not character.isspace()]


def jieba(text: str) -> list[str]:
    """As `mixed`, but runs of Chinese characters are cut into words by jieba; raises UserError without it.

    Other tools pass the whole text to jieba, which would cut `naïve` into three tokens.
    """
    tokens: list[str] = []
    for is_han, run in groupby(mixed(text), key=lambda token: bool(HAS_HAN.match(token))):
        words = list(run)
        tokens += _jieba().lcut("".join(words)) if is_han else words
    return tokens


@cache
def _jieba() -> Any:
    require("jieba", "--tokenizer jieba", "jieba>=0.42.1")
    import jieba as package

    package.setLogLevel(logging.ERROR)  # otherwise it writes about its dictionary to stderr
    return package


def rouge155(text: str) -> list[str]:
    """Runs of ASCII letters and digits in lower case, like rouge-score without its stemmer. English only."""
    return ASCII_WORD.findall(text.lower())


class _Spacing(dict[int, str | int]):
    """For str.translate: spaces for separators, spaces around a character that is a word, NUL before a mark."""

    def __missing__(self, code: int) -> str | int:
        character = chr(code)
        is_mark = unicodedata.category(character).startswith("M")
        is_single = SINGLE.match(character) is not None
        kept = f"\0{character}" if is_mark else code if character.isalnum() else " "
        self[code] = f" {character} " if is_single else kept
        return self[code]


_SPACING = _Spacing()


def _split_words(text: str) -> list[str]:
    """Characters that are words, and runs of other letters, digits and combining marks that do not begin with a mark.

    A mark belongs to the character before it, and is dropped if that is not a letter or digit.
    """
    spaced = text.translate(_SPACING)
    if "\0" not in spaced:
        return spaced.split()
    tokens = spaced.split()
    if any(token.startswith("\0") for token in tokens):  # the letter of the mark is a separate word, or is missing
        return _split_words_with_marks(text)
    return [token.replace("\0", "") for token in tokens]


def _split_words_with_marks(text: str) -> list[str]:
    # `re` has no class for combining marks, so the rare text that needs it is split character by character.
    tokens: list[str] = []
    is_open = can_take_mark = False
    for character in text:
        if unicodedata.category(character).startswith("M"):
            if can_take_mark:
                tokens[-1] += character
        elif (is_single := bool(SINGLE.match(character))) or character.isalnum():
            if is_open and not is_single:
                tokens[-1] += character
            else:
                tokens.append(character)
            is_open, can_take_mark = not is_single, True
        else:
            is_open = can_take_mark = False
    return tokens


@lru_cache(maxsize=256)  # several metrics need the same texts, row by row
def loses_text(name: str, text: str) -> bool:
    """Whether the tokenizer drops over a tenth of the letters and digits of `text`, as rouge155 does to Chinese."""
    if text.isascii() or name in LOSSLESS:
        return False
    kept = sum(map(len, load_splitter(name)(text)))
    return kept < LEAST_KEPT * sum(map(str.isalnum, text))


@cache
def load_splitter(name: str) -> Callable[[str], list[str]]:
    """The tokenizer of that name; raises UserError for an unknown one."""
    function: Callable[[str], list[str]] = TOKENIZERS.load(name)
    return function
