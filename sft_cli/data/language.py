"""The language of a text, as far as built-in templates need it."""

from __future__ import annotations

import re

LANGUAGES = ("en", "zh")
HAN_CHARACTER = re.compile(r"[\u3400-\u9fff]")
# Words of other scripts. Each kana counts: Japanese has no spaces, and Chinese has no kana.
OTHER_WORDS = re.compile(r"[\u3040-\u30ff]|[^\W\d_\u3040-\u30ff\u3400-\u9fff]+")


def is_chinese(text: str) -> bool:
    """Whether a text has more Chinese characters than words of other scripts; kana count as words."""
    return len(HAN_CHARACTER.findall(text)) > len(OTHER_WORDS.findall(text))


def language_of(text: str) -> str:
    """The language of the built-in template for a text: `zh` if it is Chinese, otherwise `en`."""
    return "zh" if is_chinese(text) else "en"
