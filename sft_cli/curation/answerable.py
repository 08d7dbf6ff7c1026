"""Whether a question with its answer is good to learn, by the document that it was written about."""

from __future__ import annotations

import re

from sft_cli.metrics.function_words import FUNCTION_CHARACTERS, FUNCTION_WORDS
from sft_cli.metrics.safety.refusal import is_refusal
from sft_cli.metrics.tokenizers import SINGLE, mixed

LEAST_IN_DOCUMENT = 0.5  # share of the answer's content words
STEM = 5  # letters by which words are compared, so that endings do not count
IN_NUMBER = re.compile(r"(?<=\d)[,，](?=\d{3}(?!\d))")
TEXT_NAME = r"(?:text|passage|excerpt|paragraph|extract)"
DOCUMENT = "document|article|author|section|context"
OF_THE_TEXT = re.compile(
    rf"\baccording to (?:the|this) (?:given |above |provided )?(?:{TEXT_NAME}|{DOCUMENT})\b"
    rf"|\bin (?:the|this) (?:given |above |provided )?{TEXT_NAME}\b"
    rf"|\b(?:does|do|did) (?:the|this) (?:{TEXT_NAME}|{DOCUMENT})\b"
    rf"|\b(?:the|this) {TEXT_NAME} (?:says?|states?|mentions?|describes?)\b|\b(?:mentioned|described|given) above\b"
    r"|根据(?:上述|上面的?|以上|下面的?|本|这段|该)?(?:文本|文章|段落|材料|短文|内容|文档)"
    r"|(?:上文|本文|本段|文中|文本中|文章中|短文中|材料中|段落中)",
    re.IGNORECASE,
)


def pair_problem(question: str, answer: str, document: str) -> str:
    """Why a question with its answer is left out; empty if it is kept."""
    if not question.strip() or not answer.strip():
        return "empty question or answer"
    if OF_THE_TEXT.search(question):
        return "question refers to the text"
    if is_refusal(answer):
        return "answer is a refusal"
    return _copy_problem(mixed(question), mixed(answer), mixed(document)) or _answer_problem(answer, document)


def _copy_problem(question: list[str], answer: list[str], document: list[str]) -> str:
    """Small models copy a sentence in place of a question, and the question in place of an answer."""
    if _is_within(document, question):
        return "question copied from the document"
    if {*answer} <= {*question} or _is_within(answer, question):
        return "answer repeats the question"
    return ""


def _is_within(words: list[str], part: list[str]) -> bool:
    return f" {' '.join(part)} " in f" {' '.join(words)} "


def _answer_problem(answer: str, document: str) -> str:
    words = answer_words(answer)
    if not words:
        return "answer without content words"
    known = answer_words(document)
    if any(word not in known for word in words if any(map(str.isdigit, word))):
        return "answer with a number that the document does not have"
    if len(words & known) < LEAST_IN_DOCUMENT * len(words):
        return "answer with words that the document does not have"
    return ""


def answer_words(text: str) -> set[str]:
    """The words that carry content: without function words, cut to five letters; of Chinese, pairs of characters.

    A comma between the digits of a number does not count. A Chinese character without a neighbour counts by itself.
    """
    words: set[str] = set()
    run = ""
    for word in [*mixed(IN_NUMBER.sub("", text)), ""]:
        if word and SINGLE.match(word) and word not in FUNCTION_CHARACTERS:
            run += word
            continue
        words.update(run[place : place + 2] for place in range(len(run) - 1))
        words.update([run] if len(run) == 1 else [])
        run = ""
        if word and word not in FUNCTION_WORDS and word not in FUNCTION_CHARACTERS:
            words.add(word if any(map(str.isdigit, word)) else word[:STEM])
    return words
