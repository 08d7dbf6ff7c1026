"""Citations: [3], a DOI, Smith (2019), (Smith et al., 2019), the id of a source."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sft_cli.evidence.facts.fact import Fact, blanked, same_length_widths

DOI = re.compile(
    r"(?:https?://(?:dx\.)?doi\.org/|doi:\s?)?\b(10\.\d{4,9}/[^\s\"<>，。；）】]+[^\s\"<>.,;:)\]}，。；）】])",
    re.IGNORECASE,
)
ARXIV = re.compile(r"arxiv(?:\.org/(?:abs|pdf)/|:\s?)(\d{4}\.\d{4,5})(?:v\d+)?", re.IGNORECASE)
PAGE = r"(?:[,，:]\s?(?:pp?\.|pages?|第)\s?\d+(?:\s?[-–]\s?\d+)?\s?页?)?"
NUMBERS = r"\^?\d{1,3}(?:\s?[-–,，、]\s?\^?\d{1,3})*"
# A number of four digits is a citation unless it is a year that a preposition needs: in [1871].
NUMBERED = re.compile(
    rf"[\[【]({NUMBERS}){PAGE}[\]】]"
    r"|(?<!\bin )(?<!\bof )(?<!\bby )(?<!since )(?<!from )(?<!until )(?<!\bto )(?<![于於在自至] )(?<![于於在自至])"
    r"[\[【](\d{4})[\]】](?=\s*(?:[.,;。，；]|\Z|[\[【]))"
)
SOURCE_ID = re.compile(
    r"[\[【(（](?:source|doc|document|passage|ref|来源|來源|文档|文獻|文献|资料|出处|段落)s?"
    r"(?:\s?[:：]\s?|[-_ #]?(?=\d))([^\])）】\s][^\])）】]*)[\])）】]",
    re.IGNORECASE,
)
# The id of a passage (money.md#2) or the name of a file alone in brackets.
BARE_ID = re.compile(
    r"[\[【(（]((?:[^\s\[\]【】()（）#,:：]+#\d+|[^\s\[\]【】()（）#,:：/]+\.(?:md|txt|html?|pdf|jsonl?|csv|tsv|docx?))"
    r"(?:[,;，；]\s?[^\s\[\]【】()（）#,:：]+#\d+)*)[\])】）]"
)
AUTHOR = r"[A-Z][\w'’-]+(?:(?:,? (?:and|&) |, )[A-Z][\w'’-]+)*(?: et al\.?,?|等)?"
WITH_YEAR = re.compile(rf"({AUTHOR})\s?\(((?:1[5-9]|20)\d\d)[a-z]?(?:, pp?\. ?\d+(?:[-–]\d+)?)?\)")
IN_BRACKETS = re.compile(r"\(([^()]*?\b(?:1[5-9]|20)\d\d[a-z]?)\)")
ONE_IN_BRACKETS = re.compile(rf"\s*(?:(?:see|e\.g\.|cf\.)[, ]+)*({AUTHOR}),? ((?:1[5-9]|20)\d\d)[a-z]?\s*")
CHINESE_AUTHOR = re.compile(r"([\u4e00-\u9fff]{2,4}(?:等人?)?)[（(]((?:19|20)\d\d)[）)]")
MONTH_LIKE = re.compile(
    r"\b(?:January|February|March|April|May|June|July|August|September|October|November|December)\b"
)


OF_PASSAGES = ("number:", "source:")  # citations that name a passage of the prompt, not a work


def passage_citations(text: str) -> list[Fact]:
    """The citations of a text that name a passage of the prompt, by its number or its id."""
    return [fact for fact in citations_in(text) if str(fact.value).startswith(OF_PASSAGES)]


def without_passage_citations(text: str) -> str:
    """The text with spaces in the place of these citations: offsets stay."""
    for fact in passage_citations(text):
        text = text[: fact.start] + " " * (fact.end - fact.start) + text[fact.end :]
    return text


def citations_in(text: str) -> list[Fact]:
    """Every citation of a text, in order.

    The normal forms are `doi:…`, `arxiv:…`, `number:3` (one fact for each number of a list or a range),
    `author:smith 2019` (the first author and the year), and `source:ID`.
    """
    plain = same_length_widths(text)
    facts: list[Fact] = []
    for read in (_dois, _numbered, _source_ids, _authors):
        found_here = list(read(plain))
        facts += found_here
        plain = blanked(plain, [(fact.start, fact.end) for fact in found_here])
    return sorted(facts, key=lambda fact: fact.start)


def _dois(text: str) -> Iterator[Fact]:
    for match in DOI.finditer(text):
        yield Fact("citation", match.start(), match.end(), f"doi:{match[1].lower()}")
    for match in ARXIV.finditer(text):
        yield Fact("citation", match.start(), match.end(), f"arxiv:{match[1]}")


def _numbered(text: str) -> Iterator[Fact]:
    for match in NUMBERED.finditer(text):
        for part in re.split(r"[,，、]", (match[1] or match[2]).replace("^", "")):
            first, *last = (int(end) for end in re.split(r"[-–]", part))
            for number in range(first, min(last[0] if last else first, first + 50) + 1):
                yield Fact("citation", match.start(), match.end(), f"number:{number}")


def _source_ids(text: str) -> Iterator[Fact]:
    for form in (SOURCE_ID, BARE_ID):
        for match in form.finditer(text):
            yield Fact("citation", match.start(), match.end(), f"source:{match[1].strip()}")


def _authors(text: str) -> Iterator[Fact]:
    for match in WITH_YEAR.finditer(text):
        if not MONTH_LIKE.search(match[1]):
            yield Fact("citation", match.start(), match.end(), _author_form(match[1], match[2]))
    for match in CHINESE_AUTHOR.finditer(text):
        if "等" in match[1]:
            yield Fact("citation", match.start(), match.end(), _author_form(match[1], match[2]))
    for match in IN_BRACKETS.finditer(text):
        works = [ONE_IN_BRACKETS.fullmatch(part) for part in match[1].split(";")]
        for work in works:
            is_work = work is not None and all(works) and not MONTH_LIKE.search(work[1])
            if work is not None and is_work and re.search(r"et al|&| and |, ?\d|;|等", match[1]):
                yield Fact("citation", match.start(), match.end(), _author_form(work[1], work[2]))


def _author_form(authors: str, year: str) -> str:
    first = re.split(r",| and | & | et al|等", authors)[0]
    return f"author:{first.strip().casefold()} {year}"
