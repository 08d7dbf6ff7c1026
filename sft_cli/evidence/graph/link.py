"""The entities of a text, by their names: all names at once (Aho and Corasick, 1975), the longest first."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from sft_cli.metrics.plain_text import fold_width
from sft_cli.run.writing_systems import NO_WORD_GAPS

# A character that becomes one with the character before it in NFC: Korean vowels and ends, marks of kana.
JOINS_BEFORE = re.compile("[\u1161-\u1175\u11a8-\u11c2\u3099\u309a\uff9e\uff9f]")
HYPHENS = "-\u2010\u2011"
LONGEST_ACRONYM = 4  # letters: US and us, IT and it, WHO and who are different words


class Mention(NamedTuple):
    """A name in a text: its offsets, and the ids of all entities with this name, sorted."""

    start: int
    end: int
    ids: tuple[str, ...]


class FoldedText(NamedTuple):
    """A text for comparison, and for each of its characters, and its end, the offset in the original text."""

    text: str
    offsets: tuple[int, ...]


def fold_name(text: str) -> str:
    """A name as it is compared: usual widths, case folded, one space between words."""
    return fold_text(text).text.strip()


def fold_text(text: str) -> FoldedText:
    """A text in usual widths and NFC, case folded, with one space for each run of white space."""
    if text.isascii() and not re.search(r"[^\S ]|  ", text):
        return FoldedText(text.lower(), tuple(range(len(text) + 1)))
    folded: list[str] = []
    offsets: list[int] = []
    for start, end in _clusters(text):
        cluster = text[start:end]
        piece = " " if cluster.isspace() else fold_width(fold_width(cluster).casefold())
        folded.append(piece)
        offsets.extend([start] * len(piece))
    return FoldedText("".join(folded), (*offsets, len(text)))


def _clusters(text: str) -> list[tuple[int, int]]:
    """Characters with the marks after them, and runs of white space: the parts that fold independently."""
    starts: list[int] = []
    for place, character in enumerate(text):
        is_joined = place and (
            (character.isspace() and text[place - 1].isspace())
            or (unicodedata.combining(character) and not text[place - 1].isspace())
            or JOINS_BEFORE.match(character)
        )
        if not is_joined:
            starts.append(place)
    return list(zip(starts, [*starts[1:], len(text)], strict=True))


class EntityLinker:
    """Finds entities in texts. The names are in memory: about 500 bytes for each."""

    def __init__(self, names: Iterable[tuple[str, str]]) -> None:
        """`names` are pairs (name, entity). A name without a letter or digit is left out."""
        from ahocorasick_rs import AhoCorasick, MatchKind

        places: dict[str, int] = {}
        self.entities: list[list[tuple[str, str]]] = []  # for each folded name: entities, and the name if case counts
        for name, entity in names:
            folded = fold_name(name)
            if not any(map(str.isalnum, folded)):
                continue
            place = places.setdefault(folded, len(places))
            if place == len(self.entities):
                self.entities.append([])
            entry = (entity, _exact_form(name))
            if entry not in self.entities[place]:
                self.entities[place].append(entry)
        self.automaton = AhoCorasick(places, MatchKind.Standard, store_patterns=False)
        del places

    def find(self, text: str) -> list[Mention]:
        """The mentions of a text, in order, without overlaps: of names that overlap, the first, then the longest.

        Widths, white space and case do not count, except the case of acronyms of up to 4 letters. In scripts with
        spaces a name is a whole word, and not a part of a word with a hyphen or of a longer number; Chinese, Japanese
        and Korean names are found everywhere. An ambiguous name has the ids of all its entities.
        """
        mentions: list[Mention] = []
        folded, offsets = fold_text(text)
        matches = self.automaton.find_matches_as_indexes(folded, overlapping=True)
        end = 0
        for place, first, last in sorted(matches, key=lambda match: (match[1], -match[2])):
            if first < end or not (_is_boundary(folded, first) and _is_boundary(folded, last)):
                continue
            original = text[offsets[first] : offsets[last]]
            is_inside = offsets[last] == offsets[last - 1]  # it ends within a character, as `s` does in `ß`
            if is_inside or (len(original) == 1 and folded[first - 1 : first] in ("'", "’")):  # the s of `Congo's`
                continue
            ids = {entity for entity, exact in self.entities[place] if not exact or fold_width(original) == exact}
            if ids:
                mentions.append(Mention(offsets[first], offsets[last], tuple(sorted(ids))))
                end = last
        return mentions


@lru_cache(maxsize=1 << 12)
def _exact_form(name: str) -> str:
    """The name itself if its case counts: one letter, or an acronym; else empty."""
    plain = fold_width(name.strip())
    return (
        plain
        if plain.isascii()
        and plain.isalpha()
        and (len(plain) == 1 or (plain.isupper() and len(plain) <= LONGEST_ACRONYM))
        else ""
    )


def _is_boundary(text: str, place: int) -> bool:
    """Whether a name can begin or end between two characters of a folded text."""
    before, after = text[place - 1 : place] if place else "", text[place : place + 1]
    if not before or not after or NO_WORD_GAPS.match(before) or NO_WORD_GAPS.match(after):
        return True
    if _is_part(before) and _is_part(after):
        return False
    # `Guinea` is not the entity of `Guinea-Bissau`, nor `3` that of `3.5`.
    far_before, far_after = text[place - 2 : place - 1] if place > 1 else "", text[place + 1 : place + 2]
    if after in HYPHENS:
        return not (_is_part(before) and _is_part(far_after))
    if before in HYPHENS:
        return not (_is_part(far_before) and _is_part(after))
    is_in_number = (before.isdigit() and after in ".," and far_after.isdigit()) or (
        before in ".," and far_before.isdigit() and after.isdigit()
    )
    return not is_in_number


def _is_part(character: str) -> bool:
    """Whether a character is a part of a word: a letter, a digit, a mark or an underscore."""
    return character.isalnum() or character == "_" or unicodedata.category(character or " ").startswith("M")
