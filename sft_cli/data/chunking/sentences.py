"""The sentences of a text, by rules for Latin and Chinese script, without a model."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from sft_cli.run.word_lists import read_word_list
from sft_cli.run.writing_systems import NO_WORD_GAPS


def _words_of_list(name: str) -> frozenset[str]:
    lines = read_word_list(Path(__file__).parent / "lists" / f"{name}.txt")
    return frozenset(" ".join(lines).split())


FULL_STOPS = "。！？｡؟۔।॥"  # they end a sentence whatever is next
ENDINGS = re.compile(rf"[{FULL_STOPS}．.!?…]+[\"'”’»)\]」』）】》*_]*(?:\[\d+(?:[-–,]\s?\d+)*\])*")
# A match begins where the white space does: a million spaces are read once, not from each of them.
LINE_END = re.compile(r"(?<![ \t\u3000])[ \t\u3000]*(?:\r\n|\r|\n|\u2028|\u2029)")
# Marks at the start of a line that is not the rest of the line before: lists, headings, tables, quotes, code.
LINE_MARK = re.compile(
    r"[ \t]*(?:[-*+•·●▪◦–—]\s|\(?\d{1,3}[.)、．]|[a-zA-Z][.)]\s|#{1,6}\s|\||>|```|~~~"
    r"|[（(]?[一二三四五六七八九十]+[）)、])"
)
LIST_NUMBER = re.compile(r"(?:^|[\r\n])[ \t#>*_]*\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,4})\Z")
# Numbers of sources after the stop of a sentence belong to this sentence: `It was in 1871. [2] The yen …`
CITED_NEXT = re.compile(
    r"(?:[ \t]*[\[【](?:\^?\d{1,3}(?:\s?[-–,，、]\s?\^?\d{1,3})*"
    r"|(?:source|来源|來源)s?\s?[:：][^\[\]【】\n]{1,200})[\]】])+",
    re.IGNORECASE,
)
SHORT_LINE = 50  # columns; text that was wrapped by a program has longer lines
NO_END = _words_of_list("short_forms")
MAY_END = _words_of_list("last_short_forms")
STARTERS = _words_of_list("first_words")
WORD_BEFORE = re.compile(r"[^\s\"'“”‘’()\[\]<>/,;:*_—–]+\Z")
WORD_NEXT = re.compile(r"\s*[\"'“‘«(\[*_]*([^\W_]+(?:['’]\w+)?)")
BRACKETED = re.compile(r"[(（][^()（）\n]{1,300}[)）]|[\[【《][^\[\]【】《》\n]{1,300}[\]】》]")


def split_sentences(text: str) -> list[tuple[int, int]]:
    """The (start, end) offsets of each sentence.

    The spans are in order, do not overlap, and have every character of the text except the white space around
    sentences. A stop after an abbreviation, an initial, in a number or in brackets does not end a sentence. A line end
    does, if the next line begins a paragraph or an item, or if the line is too short to be wrapped text.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    for cut in [*sentence_cuts(text), len(text)]:
        span = stripped_span(text, start, cut)
        start = cut
        if span[0] == span[1]:
            continue
        if spans and not any(map(str.isalnum, text[span[0] : span[1]])):  # only signs: they belong to the text before
            spans[-1] = (spans[-1][0], span[1])
        else:
            spans.append(span)
    return spans


def stripped_span(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without the white space at its ends; an empty span at `end` if it has no other character."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def sentence_cuts(text: str) -> list[int]:
    """The offsets where a sentence ends and the next one may begin, in order."""
    inside = [match.span() for match in BRACKETED.finditer(text)]
    stops = (match.end() if (match := CITED_NEXT.match(text, cut)) else cut for cut in _stop_cuts(text, inside))
    return sorted({*stops, *_line_cuts(text)})


def _stop_cuts(text: str, inside: list[tuple[int, int]]) -> Iterator[int]:
    brackets = iter(inside)
    bracket = next(brackets, None)
    for match in ENDINGS.finditer(text):
        while bracket is not None and bracket[1] <= match.start():
            bracket = next(brackets, None)
        is_inside = bracket is not None and bracket[0] < match.start() and match.end() <= bracket[1]
        if is_inside and bracket is not None and match.end() == bracket[1]:  # a whole sentence can be in brackets
            is_inside = text[max(0, bracket[0] - 9) : bracket[0]].rstrip()[-1:] not in tuple(f"{FULL_STOPS}.!?…")
        if not is_inside and _is_end(text, match):
            yield match.end()


def _is_end(text: str, match: re.Match[str]) -> bool:
    """Whether the stops that were matched end a sentence."""
    signs, start, end = match[0], match.start(), match.end()
    before, after = text[start - 1 : start], text[end : end + 1]
    if any(sign in FULL_STOPS for sign in signs):
        return True
    is_wide = bool(NO_WORD_GAPS.match(before) or (NO_WORD_GAPS.match(after) and not before.isascii()))
    if signs[0] in ".．…" and set(signs) <= set("…"):  # 他说……然后: after an ellipsis the sentence continues
        return not after or after.isspace()
    if not after or after.isspace():
        return not _goes_on(text, match)
    if is_wide and not after.isdigit():
        return not after.isascii() or signs[0] in "!?"
    # A missing space: `socialism.Humans lived` is two sentences, `torch.Tensor` is one name.
    word = WORD_NEXT.match(text, end)
    return before.islower() and after.isupper() and word is not None and word[1].casefold() in STARTERS


def _goes_on(text: str, match: re.Match[str]) -> bool:
    """Whether the sentence continues after stops that a space follows."""
    next_word = WORD_NEXT.match(text, match.end())
    following = next_word[1] if next_word else ""
    before = WORD_BEFORE.search(text[max(0, match.start() - 40) : match.start()])
    word = before[0] if before else ""
    is_lower = following[:1].islower()
    if match[0][0] in "!?":
        is_quoted = match[0][-1] in "\"'”’"
        return is_lower and (is_quoted or word[:1].isupper())  # “What?” he asked; Yahoo! is
    if LIST_NUMBER.search(text[max(0, match.start() - 20) : match.start()]):
        return True
    plain = word.casefold().rstrip(".")
    is_short_form = "." in word[1:] and not any(map(str.isdigit, word)) and len(word) <= 8
    is_after_initial = re.search(r"\b[A-Z]\. ?[A-Z]\Z", text[max(0, match.start() - 5) : match.start()])
    is_initial = len(word) == 1 and word.isupper() and (word != "I" or is_after_initial is not None)
    is_next_initial = re.match(r"\s*[A-Z]\.", text[match.end() : match.end() + 5])
    if plain in NO_END and match[0] == ".":
        is_number_word = plain in ("no", "art", "est", "c", "p", "ed", "op", "mt", "ft", "sec", "ch")
        return not is_number_word or following[:1].isdigit() or (word[:1].isupper() and len(word) > 1 and plain != "no")
    if is_lower:
        return is_short_form or is_initial or plain in MAY_END or len(word) < 4 or not match[0].startswith(".")
    if is_short_form or is_initial or plain in MAY_END:
        return bool(following) and (following.casefold() not in STARTERS or is_next_initial is not None)
    return False


def _line_cuts(text: str) -> Iterator[int]:
    """The line ends at which a sentence ends too."""
    line_start, is_code = 0, False
    for match in LINE_END.finditer(text):
        line = text[line_start : match.start()]
        fence = line.lstrip()[:3] in ("```", "~~~")
        is_code = is_code != fence
        following = LINE_END.match(text, match.end())
        next_char = text[match.end() : match.end() + 1]
        is_marked = LINE_MARK.match(text, match.end()) is not None or line.lstrip()[:1] in ("#", "|")
        is_short = columns(line) < SHORT_LINE and not next_char.islower()
        if following or is_code or fence or is_marked or is_short:
            yield match.end()
        line_start = match.end()


def columns(line: str) -> int:
    """The width of a line in a terminal: Chinese characters take two columns."""
    if line.isascii():
        return len(line)
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line)
