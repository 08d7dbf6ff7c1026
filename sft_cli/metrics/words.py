"""The tokens of a text as overlap metrics count them, with optional stemming and without optional stop words."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Literal

from sft_cli.metrics.tokenizers import load_splitter
from sft_cli.run.errors import UserError, require

Stemmer = Literal["none", "porter"]
LONGEST_UNSTEMMED = 3  # letters: rouge-score and ROUGE-1.5.5 leave shorter words alone


@lru_cache(maxsize=256)  # several metrics need the same texts, row by row
def words_of(text: str, tokenizer: str, stem: Stemmer = "none", stop_words: str = "") -> list[str]:
    """The tokens that count. The list is shared: do not change it.

    `stop_words` is a file with one word on each line; these words are left out before stemming, as in ROUGE-1.5.5.
    Raises UserError if the file cannot be read.
    """
    tokens = load_splitter(tokenizer)(text)
    if stop_words:
        left_out = read_stop_words(stop_words)
        tokens = [token for token in tokens if token not in left_out]
    if stem == "none":
        return tokens
    stemmed = _porter()
    return [stemmed(token) if len(token) > LONGEST_UNSTEMMED and token.isascii() else token for token in tokens]


@cache
def read_stop_words(path: str) -> frozenset[str]:
    """The words of a file, in lower case."""
    try:
        return frozenset(Path(path).read_text(encoding="utf-8").lower().split())
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise UserError(f"stop_words: {path}: cannot read: {reason}\nhint: a file with one word on each line") from None


def stop_words_digest(path: str) -> str:
    """Eight hexadecimal digits that identify a list of stop words, independent of the name of its file."""
    return sha256("\n".join(sorted(read_stop_words(path))).encode()).hexdigest()[:8]


@cache
def _porter() -> Callable[[str], str]:
    require("nltk", "stem=porter", "nltk>=3.9")
    from nltk.stem.porter import PorterStemmer

    return lru_cache(maxsize=100_000)(PorterStemmer().stem)
