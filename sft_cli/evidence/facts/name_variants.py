"""Whether two names that differ name the same thing: initials, short first names, other spellings, other scripts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sft_cli.evidence.facts.folding import may_be_other_script
from sft_cli.evidence.lists import list_lines

SMALL_WORDS = ("of", "the", "and", "for")
SHORTEST_VARIANT = 7  # letters of a word that may be another spelling: Gambia and Zambia differ
INITIALS_TOGETHER = re.compile(r"(?:[^\W\d_]\.){2,}")
FIRST_NAMES = [frozenset(line.split()) for line in list_lines("first_names")]
COUNTRY_NAMES = [frozenset(map(str.strip, line.split(";"))) for line in list_lines("country_names")]


def country_names(name: str) -> frozenset[str]:
    """All names of the country that has this name, in their normal form; empty if it is no name of a country."""
    return frozenset().union(*(names for names in COUNTRY_NAMES if name in names))


def initials_of(words: Sequence[str]) -> str:
    """The first letters of the words of a name, without those of `of`, `the`, `and` and `for`."""
    return "".join(word[0] for word in words if word not in SMALL_WORDS)


def has_initial(words: Sequence[str]) -> bool:
    """Whether a word of a name is an initial: J. or J."""
    return any(len(word.rstrip(".")) == 1 for word in _apart(words))


def agree_by_initials(words: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two names of persons, in words, agree: J. F. Kennedy and John Kennedy, but not R. Kennedy.

    The last words are equal. An initial agrees with a word that begins with it. Initials in the middle may be missing
    in one of the names, all of them: George W. Bush is George Bush, but not George H. W. Bush.
    """
    mine, theirs = _apart(words), _apart(others)
    if len(mine) < 2 or len(theirs) < 2 or mine[-1] != theirs[-1] or not has_initial([*mine, *theirs]):
        return False
    middle, other = mine[1:-1], theirs[1:-1]
    if not middle or not other:
        left_out = all(has_initial([word]) for word in (*middle, *other))
        return left_out and _word_agrees(mine[0], theirs[0])
    return len(middle) == len(other) and all(map(_word_agrees, mine, theirs))


def may_be_same_name(name: str, other: str) -> bool:
    """Whether another name, in normal form, may be another form of a name: too alike to contradict it.

    It may if one is the beginning of the other's initials (USA, United States), a short first name comes before the
    same family name (Bill, William Clinton), one letter differs (Dostoevsky, Dostoyevsky), or the Chinese script.
    """
    words, others = _apart(name.split()), _apart(other.split())
    if may_be_other_script(name, other) or other in country_names(name):
        return True
    if _begin_alike(name, others) or _begin_alike(other, words):
        return True
    if len(words) == len(others) >= 2 and words[1:] == others[1:]:
        return any({words[0], others[0]} <= names for names in FIRST_NAMES) or _may_abbreviate(words[0], others[0])
    return len(words) == len(others) and all(map(_is_variant, words, others))


def _apart(words: Sequence[str]) -> list[str]:
    """The words, with initials that are together (J.R.R.) apart."""
    parts: list[str] = []
    for word in words:
        parts += re.findall(r"[^\W\d_]\.", word) if INITIALS_TOGETHER.fullmatch(word) else [word]
    return parts


def _word_agrees(word: str, other: str) -> bool:
    return word == other or (has_initial([word, other]) and word[0] == other[0])


def _may_abbreviate(word: str, other: str) -> bool:
    """Whether one is an initial and the other a name whose short form may begin with it: W. is Bill."""
    short, long = sorted((word.rstrip("."), other.rstrip(".")), key=len)
    return len(short) == 1 < len(long) and any(
        long in names and any(each[0] == short for each in names) for names in FIRST_NAMES
    )


def _begin_alike(letters: str, words: Sequence[str]) -> bool:
    """Whether letters such as USA begin with the initials of two or more words, or these with the letters."""
    plain, initials = letters.replace(".", ""), initials_of(words)
    if " " in plain or len(initials) < 2 or not 2 <= len(plain) <= 6:
        return False
    return plain.startswith(initials) or initials.startswith(plain)


def _is_variant(word: str, other: str) -> bool:
    """Whether two words are equal, or long and differ in one letter after the first."""
    if word == other:
        return True
    if min(len(word), len(other)) < SHORTEST_VARIANT or word[0] != other[0] or not (word + other).isalpha():
        return False
    start = next((place for place, (a, b) in enumerate(zip(word, other, strict=False)) if a != b), None)
    place = min(len(word), len(other)) if start is None else start
    mine, theirs = word[place:], other[place:]
    return mine[1:] == theirs[1:] or mine[1:] == theirs or mine == theirs[1:]
