"""IFEval's 25 verifiable instructions, as google-research/instruction_following_eval checks them.

That code needs nltk's punkt data, a download. Here sentences are found by rules; see `sentence_count`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from typing import Any, Literal

from sft_cli.run.errors import require

Relation = Literal["less than", "at least"]
LETTER_WORD = re.compile(r"\w+")
# An end mark, quotes or brackets after it, then white space and something that can begin a sentence.
SENTENCE_BREAK = re.compile(r"""(?<=[.?!])["'”’)\]]*\s+(?=["'“‘(\[]*[A-Z0-9*#-])|(?<=[。！？])""")
ABBREVIATION = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|vs|etc|e\.g|i\.e|No|Inc|Ltd|Co)|\b[A-Z])\.$")


def is_in_relation(count: int, relation: Relation, bound: int) -> bool:
    """Whether a count is in the relation to a bound."""
    return count < bound if relation == "less than" else count >= bound


def has_keywords(text: str, keywords: list[str]) -> bool:
    """Every keyword (a regular expression) occurs, in upper or lower case."""
    return all(re.search(keyword, text, re.IGNORECASE) for keyword in keywords)


def keyword_frequency(text: str, keyword: str, frequency: int, relation: Relation) -> bool:
    """A keyword (a regular expression) occurs this many times, in upper or lower case."""
    return is_in_relation(len(re.findall(keyword, text, re.IGNORECASE)), relation, frequency)


def no_forbidden_words(text: str, forbidden_words: list[str]) -> bool:
    """No word of the list (regular expressions) occurs as a whole word."""
    return not any(re.search(rf"\b{word}\b", text, re.IGNORECASE) for word in forbidden_words)


def letter_frequency(text: str, letter: str, let_frequency: int, let_relation: Relation) -> bool:
    """A letter occurs this many times, in upper or lower case."""
    return is_in_relation(Counter(text.lower())[letter.strip().lower()], let_relation, let_frequency)


def is_in_language(text: str, language: str) -> bool:
    """langdetect, with a seed, detects this language (ISO 639-1); true if it detects no language."""
    return _language(text) in (language, None)


def sentence_count(text: str, num_sentences: int, relation: Relation) -> bool:
    """This many sentences; they end at . ? ! before a capital or digit, except after abbreviations, and at 。 ！ ？.

    The reference uses nltk's punkt model.
    """
    return is_in_relation(len(split_into_sentences(text)), relation, num_sentences)


def split_into_sentences(text: str) -> list[str]:
    """Sentences by rules."""
    sentences: list[str] = []
    for part in SENTENCE_BREAK.split(text.strip()):
        if sentences and ABBREVIATION.search(sentences[-1]):
            sentences[-1] += " " + part
        elif part.strip():
            sentences.append(part)
    return sentences


def paragraph_count(text: str, num_paragraphs: int) -> bool:
    """Exactly this many paragraphs, with `***` between them; an empty paragraph within the text fails."""
    parts = [part.strip() for part in re.split(r"\s?\*\*\*\s?", text)]
    if not all(parts[1:-1]):
        return False
    ends = parts[:1] + parts[-1:] if len(parts) > 1 else parts
    return len(parts) - ends.count("") == num_paragraphs


def word_count(text: str, num_words: int, relation: Relation) -> bool:
    """This many words (runs of letters and digits)."""
    return is_in_relation(len(LETTER_WORD.findall(text)), relation, num_words)


def first_word_of_paragraph(text: str, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    """This many paragraphs, with an empty line between them; the nth begins with the word."""
    paragraphs = text.split("\n\n")
    count = sum(bool(paragraph.strip()) for paragraph in paragraphs)
    if nth_paragraph > count or not paragraphs[nth_paragraph - 1].strip():
        return False
    word = paragraphs[nth_paragraph - 1].split()[0].lstrip("'").lstrip('"')
    bare_word = re.split(r"""[.,?!'"]""", word)[0].lower()
    return count == num_paragraphs and bare_word == first_word.lower()


def placeholder_count(text: str, num_placeholders: int) -> bool:
    """At least this many placeholders in square brackets."""
    return len(re.findall(r"\[.*?\]", text)) >= num_placeholders


def has_postscript(text: str, postscript_marker: str) -> bool:
    """A postscript with the marker, in upper or lower case."""
    patterns = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
    return bool(re.search(patterns.get(postscript_marker, postscript_marker.lower()), text.lower()))


def bullet_count(text: str, num_bullets: int) -> bool:
    """Exactly this many lines that begin with `*` or `-`."""
    stars = re.findall(r"^\s*\*[^\*].*$", text, re.MULTILINE)
    return len(stars) + len(re.findall(r"^\s*-.*$", text, re.MULTILINE)) == num_bullets


def is_one_of_the_answers(text: str) -> bool:
    """One of IFEval's three answers occurs."""
    return any(answer in text for answer in ("My answer is yes.", "My answer is no.", "My answer is maybe."))


def highlight_count(text: str, num_highlights: int) -> bool:
    """At least this many highlights, such as `*word*` or `**word**`."""
    single = re.findall(r"\*[^\n\*]*\*", text)
    double = re.findall(r"\*\*[^\n\*]*\*\*", text)
    count = sum(bool(part.strip("*").strip()) for part in single)
    count += sum(bool(part.removeprefix("**").removesuffix("**").strip()) for part in double)
    return count >= num_highlights


def section_count(text: str, section_spliter: str, num_sections: int) -> bool:
    """At least this many headings: the word of the instruction and a number."""
    return len(re.findall(rf"\s?{section_spliter}\s?\d+\s?", text)) >= num_sections


def is_json_text(text: str) -> bool:
    """Python's json can read it, without one code fence around it; NaN and single values also pass."""
    bare = text.strip()
    for fence in ("```json", "```Json", "```JSON", "```"):
        bare = bare.removeprefix(fence)
    try:
        json.loads(bare.removesuffix("```").strip())
    except (ValueError, RecursionError):
        return False
    return True


def has_title(text: str) -> bool:
    """A title in double angle brackets, such as `<<title>>`."""
    return any(title.lstrip("<").rstrip(">").strip() for title in re.findall(r"<<[^\n]+>>", text))


def has_two_responses(text: str) -> bool:
    """Two different responses, with `******` between them."""
    parts = [part.strip() for part in text.split("******")]
    if not all(parts[1:-1]):
        return False
    filled = [part for part in parts if part]
    return len(filled) == 2 and filled[0] != filled[1]


def repeats_the_prompt(text: str, prompt_to_repeat: str) -> bool:
    """It begins with the prompt, in upper or lower case."""
    return text.strip().lower().startswith(prompt_to_repeat.strip().lower())


def ends_with(text: str, end_phrase: str) -> bool:
    """It ends with the phrase, in upper or lower case; quotes around the whole text are ignored."""
    return text.strip().strip('"').lower().endswith(end_phrase.strip().lower())


def is_quoted(text: str) -> bool:
    """Double quotes around the whole text."""
    bare = text.strip()
    return len(bare) > 1 and bare[0] == bare[-1] == '"'


def capital_word_count(text: str, capital_frequency: int, capital_relation: Relation) -> bool:
    """This many words in capitals, by nltk's words of the whole text."""
    require("nltk", "--metric instructions", "nltk>=3.9")
    from nltk.tokenize import NLTKWordTokenizer

    words = NLTKWordTokenizer().tokenize(text)
    return is_in_relation(sum(word.isupper() for word in words), capital_relation, capital_frequency)


def is_english_in_capitals(text: str) -> bool:
    """English, only in capital letters."""
    return text.isupper() and is_in_language(text, "en")


def is_english_in_lower_case(text: str) -> bool:
    """English, only in small letters."""
    return text.islower() and is_in_language(text, "en")


def has_no_comma(text: str) -> bool:
    """No ASCII comma."""
    return "," not in text


def _language(text: str) -> str | None:
    detector = _detector()
    try:
        language: str = detector.detect(text)
    except detector.LangDetectException:
        return None
    return language


@cache
def _detector() -> Any:
    require("langdetect", "--metric instructions", "langdetect>=1.0.9")
    import langdetect

    langdetect.DetectorFactory.seed = 0  # it samples at random; without a seed each answer can be different
    return langdetect
