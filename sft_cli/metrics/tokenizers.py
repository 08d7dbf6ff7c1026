"""From text to the tokens that overlap metrics count, for any script."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Callable
from functools import cache
from itertools import groupby
from typing import Any, Literal

from sft_cli.run.packages import require
from sft_cli.run.registry import Table

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

HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
KANA = "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
HANGUL = "\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3"
LEAST_KEPT = 0.9
ASCII_WORD = re.compile(r"[a-z0-9]+")
HAS_HAN, HAS_KANA, HAS_HANGUL = (re.compile(f"[{script}]") for script in (HAN, KANA, HANGUL))


def mixed(text: str) -> list[str]:
    """Tokens of text in any script: the default.

    NFKC and lower case; each Chinese character, kana and Hangul syllable is a token, so is each run of other letters
    and digits with their combining marks; punctuation and symbols are dropped. A text of nothing but punctuation or
    emoji gives those characters, so that it equals itself and nothing else. Thai, Lao and Khmer, which put no spaces
    between words, give one token for each run.
    """
    return mixed_raw(unicodedata.normalize("NFKC", text))


def mixed_raw(text: str) -> list[str]:
    """As `mixed`, but without NFKC: full-width letters and digits differ from the others."""
    text = text.lower()
    tokens = ASCII_WORD.findall(text) if text.isascii() else _words().findall(text)
    return tokens or [character for character in text if not character.isspace()]


def char(text: str) -> list[str]:
    """Every character but white space, after NFKC and lower case."""
    return char_raw(unicodedata.normalize("NFKC", text))


def char_raw(text: str) -> list[str]:
    """Every character but white space, after lower case; no NFKC."""
    return [character for character in text.lower() if not character.isspace()]


def jieba(text: str) -> list[str]:
    """As `mixed`, but runs of Chinese characters are cut into words by jieba; raises UserError without it.

    Departs from tools that hand jieba the whole text: it would cut `naïve` into three.
    """
    tokens: list[str] = []
    for is_han, run in groupby(mixed(text), key=lambda token: bool(HAS_HAN.match(token))):
        words = list(run)
        tokens += _jieba().lcut("".join(words)) if is_han else words
    return tokens


@cache
def _jieba() -> Any:
    require("jieba", "--tokenizer jieba", "zh")
    import jieba as package

    package.setLogLevel(logging.ERROR)  # it would tell of its dictionary on stderr
    return package


def rouge155(text: str) -> list[str]:
    """Runs of ASCII letters and digits, lower-cased: what rouge-score does without its stemmer. English only."""
    return ASCII_WORD.findall(text.lower())


@cache
def _words() -> re.Pattern[str]:
    # `re` has no class for combining marks, and without them Hindi, Thai or decomposed Vietnamese words fall apart.
    planes = (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0))
    marks = "".join(chr(code) for code in planes if unicodedata.category(chr(code)).startswith("M"))
    single = HAN + KANA + HANGUL
    return re.compile(f"(?:[{single}][{marks}]*)|(?:[^\\W_{single}][{marks}]*)+")


def loses_text(name: str, text: str) -> bool:
    """Whether the tokenizer drops over a tenth of the letters and digits of `text`, as rouge155 does to Chinese."""
    if text.isascii() or name in LOSSLESS:
        return False
    letters = sum(character.isalnum() for character in text)
    kept = sum(character.isalnum() for token in load_tokenizer(name)(text) for character in token)
    return kept < LEAST_KEPT * letters


def load_tokenizer(name: str) -> Callable[[str], list[str]]:
    """The tokenizer of that name; raises UserError for an unknown one."""
    function: Callable[[str], list[str]] = TOKENIZERS.load(name)
    return function
