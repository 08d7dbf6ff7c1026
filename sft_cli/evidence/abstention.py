"""Sentences that state nothing: “I don't know”, questions and greetings, in English and Chinese."""

from __future__ import annotations

import re

from sft_cli.evidence.facts.citations import without_passage_citations
from sft_cli.evidence.lists import list_lines
from sft_cli.metrics.plain_text import collapse_space

ABSTENTIONS = frozenset(list_lines("abstentions"))  # the first of each language is what the built-in templates ask for
GREETINGS = frozenset(list_lines("greetings"))
APOLOGY = re.compile(rf"(?:{'|'.join(list_lines('apologies'))})[\s,，.。!！:：–—-]*(?:but,? |但是?)?")
QUESTION = re.compile(r"(?:[?？]+[!！]*|[吗嗎][。.!！]?)[\s*_)）\]】]*\Z")
QUOTED_QUESTION = re.compile(r"\s*[\"“「『].*[?？][\"”」』]\s*\Z", re.DOTALL)
MARKS = " .。!！,，:：\"“”‘’'`*_~#>-()（）"


def is_abstention(text: str) -> bool:
    """Whether a text says only that its writer does not know, with or without Markdown, a citation or an apology."""
    plain = _plain(text)
    return plain in ABSTENTIONS or _plain(APOLOGY.sub("", plain, count=1)) in ABSTENTIONS


def is_greeting(text: str) -> bool:
    """Whether a text is only a greeting, thanks or an apology."""
    return _plain(text) in GREETINGS


def is_question(sentence: str) -> bool:
    """Whether a sentence is a question by its last sign; a question that somebody asks in quotation marks is not."""
    return QUESTION.search(sentence) is not None or QUOTED_QUESTION.match(sentence) is not None


def _plain(text: str) -> str:
    return collapse_space(without_passage_citations(text)).casefold().replace("’", "'").strip(MARKS)
