"""The claims of a completion: sentences, and clauses that have a fact of their own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from sft_cli.data.chunking.sentences import split_sentences
from sft_cli.evidence.abstention import is_question
from sft_cli.evidence.facts.citations import without_passage_citations
from sft_cli.evidence.facts.reading import facts_in
from sft_cli.evidence.facts.source_marks import without_marks
from sft_cli.metrics.groundedness import QUOTE_KEY
from sft_cli.metrics.json_text import JsonPart, json_parts
from sft_cli.metrics.tokenizers import HAS_HAN

CODE_FENCE = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
# What Markdown adds to the words. The text of a link stays.
MARKDOWN = re.compile(
    r"(?m)^[ \t>]*(?:[-*+•·●▪◦][ \t]+(?:\[[ xX]\][ \t])?|\(?\d{1,3}[.)、][ \t]*(?!\d)"
    r"|[（(]?[一二三四五六七八九十]+[）)、]|#{1,6}[ \t]+|>[ \t]?)+"
    r"|^[ \t]*\|?[ \t:|-]*-{3,}[ \t:|-]*$|\*{1,3}|(?<!\w)_{1,3}(?=\w)|(?<=\w)_{1,3}(?!\w)|~~|`+"
    r"|!?\[(?=[^\]]{0,300}\]\([^)]{0,1000}\))|\]\([^)\s]{0,1000}(?: [^)]{0,300})?\)|</?(?:br|b|i|p|sub|sup)/?>"
)
# A list of references ends an answer: a heading, and lines that begin with a number or a mark, or have one word.
REFERENCES = re.compile(
    r"^[ \t#*_]*(?:references|sources|bibliography|works cited|citations"
    r"|参考文献|參考文獻|参考资料|參考資料|来源|來源|引用)"
    r"[ \t*_]*(?:[:：][ \t*_]*(?:[\[【][^\n]*)?)?"
    r"(?:\n[ \t]*(?:(?:[\[【(]?\^?\d{1,3}[\]】).:：、]|[-*•])[^\n]*|\S*[ \t]*(?=\n|\Z)))*+\s*\Z",
    re.IGNORECASE | re.MULTILINE,
)
JSON_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?', re.DOTALL)
JSON_ESCAPE = re.compile(r"\\u[dD][89abAB]\w{2}\\u[dD]\w{3}|\\u\w{4}|\\.|.", re.DOTALL)
BOUNDARY = re.compile(
    r"[;；]|[,，]?\s+(?:but|while|whereas|although|though|because)\s|[,，]\s+(?:and|or|so|yet|which|who|where|when|before|after|"
    r"until|since|with)\s|\s[–—]\s|——|，|,(?=[\u4e00-\u9fff])",
    re.IGNORECASE,
)
OWN_FACTS = {"number", "date", "time", "name", "negation", "quote"}
CLOSED_PART = re.compile(r"[(（\[【《“「『\"][^()（）\[\]【】《》“”「」『』\"]*[)）\]】》”」』\"]")
LONGEST_SENTENCE = 20_000  # characters; a longer one is not cut between clauses: that takes minutes for a megabyte
LEAST_WORDS, LEAST_CHARACTERS = 4, 6  # of a clause, in English words and in Chinese characters


@dataclass(frozen=True)
class Claim:
    """One claim: its text without marks, and for each character of it the offset in the completion.

    `key` is the key of a JSON value, else empty. `is_quote` says that the whole claim is a quotation by its key
    (`quote`, `evidence`, `引文`). `is_question` says that its sentence is a question, which states nothing.
    """

    text: str
    offsets: tuple[int, ...]
    key: str = ""
    is_quote: bool = False
    is_question: bool = False

    @property
    def start(self) -> int:
        """The offset of the first character in the completion."""
        return self.offsets[0]

    @property
    def end(self) -> int:
        """The offset after the last character in the completion."""
        return self.offsets[-1] + 1

    def place(self, start: int, end: int) -> tuple[int, int]:
        """The offsets in the completion of a part of the claim's text."""
        return self.offsets[start], self.offsets[end - 1] + 1


def split_claims(completion: str) -> list[Claim]:
    """The claims of a completion, in order.

    A sentence is one claim, or several if its clauses have facts of their own. A JSON value is read like a text, a JSON
    key is not a claim. Marks of lists and Markdown are removed, blocks of code are left out. Citations of passages
    alone are no claim.
    """
    is_citation = not without_passage_citations(completion).strip()  # `[2]` is also a JSON array
    parts = [] if is_citation else json_parts(completion)
    claims: list[Claim] = []
    done = 0
    for part in [*parts, None]:
        stop = part.outer_start if part else len(completion)
        claims += _prose_claims(completion, done, stop)
        if part:
            claims += _json_claims(completion, part)
            done = part.outer_end
    return claims


def _prose_claims(completion: str, start: int, stop: int) -> Iterator[Claim]:
    text = completion[start:stop]
    for left_out in (CODE_FENCE, REFERENCES):
        text = left_out.sub(lambda part: "\n" * len(part[0]), text)
    yield from _claims_of(text, tuple(range(start, stop)), "")


def _json_claims(completion: str, part: JsonPart) -> Iterator[Claim]:
    """The claims of the strings and numbers of a JSON value, at their places in the completion."""
    key = ""
    for token in JSON_TOKEN.finditer(completion, part.start, part.end):
        if token[2]:
            key = json.loads(f'"{token[1]}"', strict=False)
        elif token[1] is None:
            yield Claim(token[0], tuple(range(*token.span())), key)
        else:
            text, offsets = _decoded(token[1], token.start(1))
            if QUOTE_KEY.search(key) and text.strip():
                first, last = len(text) - len(text.lstrip()), len(text.rstrip())
                yield Claim(text[first:last], offsets[first:last], key, is_quote=True)
            else:
                yield from _claims_of(text, offsets, key)


def _decoded(raw: str, start: int) -> tuple[str, tuple[int, ...]]:
    """The text of a JSON string, and the offset of each of its characters."""
    characters, offsets = [], []
    for match in JSON_ESCAPE.finditer(raw):
        text = json.loads(f'"{match[0]}"', strict=False) if match[0][0] == "\\" else match[0]
        characters.append(text)
        offsets += [start + match.start()] * len(text)
    return "".join(characters), tuple(offsets)


def _claims_of(text: str, offsets: tuple[int, ...], key: str) -> Iterator[Claim]:
    for start, end in split_sentences(text):
        sentence, places = _unmarked(text[start:end], offsets[start:end])
        for first, last in clauses_with_facts(sentence):
            if any(map(str.isalnum, without_passage_citations(sentence[first:last]))):
                yield Claim(sentence[first:last], places[first:last], key, is_question=is_question(sentence))


def _unmarked(sentence: str, offsets: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    """A sentence without Markdown, line ends and runs of spaces; the lines of a table with commas."""
    sentence, kept = without_marks(sentence)
    offsets = tuple(offsets[place] for place in kept)
    left = list(range(len(sentence)))
    for match in MARKDOWN.finditer(sentence):
        if not _is_arithmetic(sentence, match):
            left[match.start() : match.end()] = [-1] * len(match[0])
    is_row = sentence.startswith("|") and sentence.count("|") > 2
    characters: list[str] = []
    places: list[int] = []
    for place in left:
        sign = sentence[place] if place >= 0 else ""
        sign = "," if is_row and sign == "|" else " " if sign.isspace() else sign
        last = characters[-1] if characters else ""
        if not sign or (sign in " ," and not last) or (sign == " " and last == " "):
            continue
        if sign == "," and is_row and last in (" ", ","):
            characters.pop()
            places.pop()
        characters.append(sign)
        places.append(offsets[place])
    while characters and (characters[-1] == " " or (is_row and characters[-1] == ",")):
        characters.pop()
        places.pop()
    return "".join(characters), tuple(places)


def _is_arithmetic(sentence: str, match: re.Match[str]) -> bool:
    """Whether a star is a product: 2 * 3."""
    before, after = sentence[: match.start()].rstrip()[-1:], sentence[match.end() :].lstrip()[:1]
    return match[0] == "*" and before.isdigit() and after.isdigit()


def clauses_with_facts(sentence: str) -> list[tuple[int, int]]:
    """The offsets of the parts of a sentence that are claims: cut between clauses if both sides have a fact.

    A fact is a number, a date, a name, a quotation or a negation. No cut is inside a fact, brackets or quotation marks,
    and each part has four words, or six Chinese characters, or more.
    """
    if len(sentence) > LONGEST_SENTENCE:
        return [_trimmed(sentence, 0, len(sentence))]
    facts = [fact for fact in facts_in(sentence) if fact.kind in OWN_FACTS]
    closed = [match.span() for match in CLOSED_PART.finditer(sentence)]
    closed += [(fact.start, fact.end) for fact in facts if fact.kind != "negation"]
    parts, start = [], 0
    for match in BOUNDARY.finditer(sentence):
        cut = match.start() if match[0][:1].isspace() else match.start() + 1
        if any(first < cut < last for first, last in closed):
            continue
        sides = ((start, cut), (match.start(), len(sentence)))
        if all(_is_clause(sentence[a:b], any(a <= fact.start < b for fact in facts)) for a, b in sides):
            parts.append((start, cut))
            start = cut
    return [_trimmed(sentence, *part) for part in [*parts, (start, len(sentence))]]


def _is_clause(text: str, has_fact: bool) -> bool:
    words = re.findall(r"[A-Za-z'’]+", text)
    is_chinese = bool(HAS_HAN.search(text)) and sum(map(str.isalnum, text)) >= LEAST_CHARACTERS
    is_long = len(words) >= LEAST_WORDS and sum(word.islower() for word in words) >= 2
    return has_fact and (is_chinese or is_long)


def _trimmed(sentence: str, start: int, end: int) -> tuple[int, int]:
    """The part without spaces, commas and semicolons at its ends."""
    while start < end and sentence[start] in " ,;，；、":
        start += 1
    while end > start and sentence[end - 1] in " ,;，；、":
        end -= 1
    return start, end
