"""Names by their form: capitalised words, titles in 《》, foreign names in Chinese, places and institutions."""

from __future__ import annotations

import re

from sft_cli.data.chunking.sentences import STARTERS, sentence_cuts
from sft_cli.evidence.facts.fact import HYPHEN_FORMS, Fact, same_length_widths
from sft_cli.evidence.facts.folding import folded_letters
from sft_cli.evidence.lists import listed_words
from sft_cli.metrics.function_words import FUNCTION_CHARACTERS, FUNCTION_WORDS
from sft_cli.metrics.groundedness import TITLE
from sft_cli.metrics.plain_text import collapse_space
from sft_cli.run.writing_systems import HAN_RANGES

NOT_NAMES = frozenset(listed_words("no_names"))
CALENDAR = frozenset(listed_words("calendar"))
KNOWN_PLACES = listed_words("places")
KIND_OF_INSTITUTION = listed_words("institutions")
NO_INSTITUTION = frozenset(listed_words("no_institutions"))
SURNAMES = "".join(listed_words("surnames"))
TRANSLITERATION = frozenset(listed_words("transliteration"))
UPPER = "[A-ZÀ-ÖØ-ÞΑ-ΩА-ЯЁ]"
LETTER = rf"[^\W_{HAN_RANGES}]"  # letters and digits, but no Chinese characters
# A word with a capital: Curie, GPT-4, O'Brien, AT&T, and an initial with its stop before another such word.
UPPER_WORD = rf"(?:{UPPER}\.(?=[ \u00a0]?{UPPER})|{UPPER}{LETTER}*(?:(?:[&.-]|['’](?!s\b)){LETTER}+)*)"
LINK = r"(?:(?:of|de|von|van|der|den|la|du|bin|al)[ \t]+(?:(?:the|la|der)[ \t]+)?)?"
RUN = re.compile(rf"(?<![\w'’-]){UPPER_WORD}(?:[ \t\u00a0]+{LINK}{UPPER_WORD}|(?<=\.){UPPER_WORD})*")
MIXED_CASE = re.compile(
    rf"(?<![A-Za-z0-9_-])(?:[a-z]+[A-Z]{LETTER}*|{LETTER}*[A-Za-z]-?\d(?:-?{LETTER})*)(?![A-Za-z0-9_])"
)
LATIN_IN_CHINESE = re.compile(rf"(?<=[{HAN_RANGES}《「])[A-Za-z][A-Za-z.'’-]*(?: [A-Za-z][A-Za-z.'’-]*)*")
KNOWN_PLACE = re.compile("|".join(sorted(KNOWN_PLACES, key=lambda place: (-len(place), place))))
STOP_LEFT = (
    "".join(sorted(FUNCTION_CHARACTERS))
    + "在位於于至到由从從和与與及的是为為了等该該此本各一二三四五六七八九十两兩几幾全年月日入往前后後经經"
)
INSTITUTION = re.compile(
    rf"(?:(?![{STOP_LEFT}])[{HAN_RANGES}]){{2,8}}?(?:{'|'.join(KIND_OF_INSTITUTION)})(?![员長长民区内內])"
)
FOREIGN_PART = rf"(?:(?![{STOP_LEFT}])[{HAN_RANGES}A-Z])"
# The last part ends at a function character or a mark; before another character, it is the first two characters.
FOREIGN_NAME = re.compile(
    rf"{FOREIGN_PART}{{1,6}}(?:[·•‧・．]{FOREIGN_PART}{{1,6}}(?=[·•‧・．]))*"
    rf"[·•‧・．](?:{FOREIGN_PART}{{1,5}}(?!{FOREIGN_PART})|{FOREIGN_PART}{{2}})"
)
# Between marks, a surname with one or two characters is a person: 何恺明、张祥雨; so it is before a title.
PERSON = re.compile(
    rf"(?:(?<=[、，。；：（《“「])|(?<=作者)|\A)[{SURNAMES}][{HAN_RANGES}]{{1,2}}(?=[、（）(),，]|等人|\Z)"
    rf"|[{SURNAMES}][{HAN_RANGES}]{{1,2}}"
    r"(?=先生|女士|教授|博士|院士|总统|總統|主席|总理|將軍|将军|皇帝|导演|導演|校长|校長)"
)


NAME_ENDING = re.compile(rf".(?:{'|'.join(KIND_OF_INSTITUTION)}|[国國族人帝王公侯后语語教派城港区區村路站])\Z")


def name_facts(text: str) -> list[Fact]:
    """Every name of a text, in order; a name is not inside another.

    The first word of a sentence is a name that is not sure, because it always has a capital. In Chinese, names of
    persons are read only where marks, titles or a foreign form (威廉·琼斯) show them.
    """
    plain = same_length_widths(text)
    facts = [_name_at(match.start(1), match.end(1), match[1]) for match in TITLE.finditer(plain)]
    facts += _latin_names(plain)
    for pattern in (FOREIGN_NAME, INSTITUTION, KNOWN_PLACE, PERSON):
        for match in pattern.finditer(plain):
            if match[0] not in NO_INSTITUTION and match[0][-2:] not in NO_INSTITUTION:
                facts.append(_name_at(match.start(), match.end(), match[0]))
    kept: list[Fact] = []
    for fact in sorted(facts, key=lambda fact: (fact.start, -fact.end)):
        if not kept or fact.start >= kept[-1].end:
            kept.append(fact)
    return kept


def _name_at(start: int, end: int, text: str, is_sure: bool = True) -> Fact:
    return Fact("name", start, end, name_form(text), is_sure)


def name_form(text: str) -> str:
    """The normal form of a name: usual widths and hyphens, one case, no accents, no article, no possessive."""
    plain = folded_letters(collapse_space(text).translate(HYPHEN_FORMS)).casefold().replace("’", "'")
    plain = plain.removesuffix("'s").strip(" .'-").removeprefix("the ")
    return re.sub(r"[•‧・．]", "·", plain)


def looks_like_chinese_name(text: str) -> bool:
    """Whether Chinese characters that stand alone look like a name.

    They do if they are a known place, end as an institution, a people or a ruler does, begin with a surname and have
    two or three characters, or are mostly characters of foreign names.
    """
    plain = re.sub(r"[·•‧・．\s]", "", text)
    if not re.fullmatch(f"[{HAN_RANGES}]{{2,12}}", plain):
        return False
    is_foreign = sum(sign in TRANSLITERATION for sign in plain) >= max(2, 0.6 * len(plain))
    is_person = plain[0] in SURNAMES and len(plain) <= 3
    return bool(is_foreign or is_person or KNOWN_PLACE.match(plain) or NAME_ENDING.search(plain))


def _latin_names(text: str) -> list[Fact]:
    starts = {0, *sentence_cuts(text)}
    facts: list[Fact] = []
    for match in RUN.finditer(text):
        start = match.start()
        words = [(word.start() + start, word[0]) for word in re.finditer(r"[^ \t\u00a0]+", match[0])]
        before = text[:start].rstrip(" \t\r\n\"'“‘«(*_#->•").rstrip()
        is_first = (
            not before or before[-1] in ".!?:;。！？：；\x00" or any(len(before) <= cut <= start for cut in starts)
        )
        is_sure = not is_first or len(words) > 1
        if is_first and words[0][1].casefold() in STARTERS | FUNCTION_WORDS:
            words, is_sure = words[1:], True
        while words and (words[0][1] in NOT_NAMES | CALENDAR or words[0][1].islower()):
            words = words[1:]
        while words and (words[-1][1] in CALENDAR or words[-1][1].islower()):
            words = words[:-1]
        if words and (len(words[0][1]) > 1 or len(words) > 1):
            first, last = words[0][0], words[-1][0] + len(words[-1][1])
            facts.append(_name_at(first, last, text[first:last], is_sure))
    for pattern in (MIXED_CASE, LATIN_IN_CHINESE):
        for match in pattern.finditer(text):
            if match[0].casefold() not in FUNCTION_WORDS and not re.fullmatch(r"\d+\w{1,2}", match[0]):
                facts.append(_name_at(match.start(), match.end(), match[0]))
    return facts
