"""Relations in sentences, by patterns: fixed text around the places of a subject and an object."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from sft_cli.evidence.graph.link import Mention, fold_name, fold_text
from sft_cli.run.errors import FieldError, shown
from sft_cli.run.jsonl import read_lines
from sft_cli.run.ledger import Ledger
from sft_cli.run.writing_systems import NO_WORD_GAPS

SLOT = re.compile(r"\{(subject|object)\}")
OPTIONAL_PART = re.compile(r"\[([^\[\]]*)\]")
MOST_VARIANTS = 64
RELATION_END = re.compile(r":\s+|：")
PATTERN_HINT = "capital: the capital of {subject} is {object}"
ARTICLE_BEFORE = re.compile(r"(?:^|(?<=\s))(?:the|a|an)\s$")  # the article before a slot may be there or not
ARTICLE_FIRST = re.compile(r"^(?:the|a|an)\s")
SPACE_AT_WIDE = re.compile(rf"(?<={NO_WORD_GAPS.pattern}) | (?={NO_WORD_GAPS.pattern})")
LAST_STOPS = ".。!！"
# Where the first slot, or the first word, of a pattern may be: at the beginning of a clause.
CLAUSE_START = re.compile(
    r"(?:^|[,;:()\[\]\"“”‘«»「『《—–…。、!?]"
    r"|\b(?:and|but|that|because|while|whereas|although|though|since|where|when|so|as)(?=\s)"
    r"|因为|但是|但|而且|而|并且|且|同时|所以|由于|目前|现在|如今|今天|其中)\s*$"
)
# What may be after the last slot: the end, a sign, or a word that begins another clause.
PATTERN_END = re.compile(
    r"\s*(?:$|[.,;:()\[\]\"”’»」』》—–…。、!?](?!\w*-\w)"
    r"|(?<=\s)(?:and|but|while|which|whereas|since|because|as|so|although|though|today|now|currently)\b"
    r"|和|与|及|以及|而|但|并)"
)
# A sentence that does not say what the pattern says.
DENIALS_BEFORE = re.compile(
    r"\b(?:not|never|false|wrong|untrue|incorrect|myth|if|whether|suppose|imagine|unless|claim\w*|believ\w*|sa(?:y|ys|id)"
    r"|think\w*|thought|assum\w*|formerly|once|until|rumou?r\w*|fiction\w*|centur\w+"
    r"|(?:in|since|before|after|from|of|by) (?:the year )?\d{3,4}s?)\b|n't\b|n’t\b"
    r"|不|并非|非|假|错|如果|若|是否|据说|据称|谣|误|认为|以为|相信|曾|原来|以前|过去|没有|传说|虚构|\d{2,4}\s?年|世纪"
)
DENIALS_AFTER = re.compile(
    r"\b(?:is|are|was) (?:not true|false|wrong|untrue|incorrect|a (?:common )?(?:myth|mistake|misconception))\b"
    r"|\b(?:some|many|people|he|she|they) (?:say|said|think|thought|claim|believe)"
    r"|\b(?:until|(?:in|before|from) (?:the )?\d)|(?:是|都是)?(?:错误|不对|不正确|假的|谣言|误解)|[?？]\s*$|吗"
)


class Pattern(NamedTuple):
    """Text with two slots, normalised: the text before, between and after them; and whether the subject is first."""

    relation: str
    before: str
    between: str
    after: str
    is_subject_first: bool
    has_article: bool  # the text before begins with an article


class ReadTriple(NamedTuple):
    """A triple that a sentence says: the mentions of its subject and its object, and its relation."""

    subject: Mention
    relation: str
    object: Mention


def compile_pattern(relation: str, text: str) -> list[Pattern]:
    """The patterns of a text with {subject} and {object}; `[the old ]` in brackets is optional.

    Width and case do not count, nor do articles before slots, stops at the end, and spaces beside Chinese characters.
    Raises FieldError if a slot is missing or is there twice, or if no text is between or around the slots.
    """
    variants = [text]
    while any(OPTIONAL_PART.search(variant) for variant in variants):
        variants = [
            OPTIONAL_PART.sub(replaced, variant, count=1)
            for variant in variants
            for replaced in ((r"\1", "") if OPTIONAL_PART.search(variant) else ("",))
        ]
        if len(variants) > MOST_VARIANTS:
            raise FieldError(
                "pattern", f"expected at most {MOST_VARIANTS} combinations of optional parts, got more in {shown(text)}"
            )
    return list(dict.fromkeys(_one_pattern(relation, variant) for variant in variants))


def _one_pattern(relation: str, text: str) -> Pattern:
    slots = SLOT.findall(text)
    if sorted(slots) != ["object", "subject"]:
        raise FieldError("pattern", f"expected {{subject}} and {{object}}, each once, got {shown(text)}", PATTERN_HINT)
    before, _, between, _, after = SLOT.split(text)
    pattern = make_pattern(relation, (before, between, after), slots[0] == "subject")
    if not any(map(str.isalnum, pattern.before + pattern.between + pattern.after)):
        raise FieldError(
            "pattern", f"expected words besides {{subject}} and {{object}}, got {shown(text)}", PATTERN_HINT
        )
    return pattern


def make_pattern(relation: str, parts: tuple[str, str, str], is_subject_first: bool) -> Pattern:
    """A pattern of the text before, between and after the slots, as it is in a sentence."""
    before = fold_text(parts[0]).text.lstrip()
    key = _before_slot(before)
    has_article = ARTICLE_FIRST.match(before) is not None
    after = fold_text(parts[2]).text.rstrip().rstrip(LAST_STOPS).rstrip()
    return Pattern(
        relation,
        ARTICLE_FIRST.sub("", key),
        _before_slot(fold_text(parts[1]).text),
        _tight(after),
        is_subject_first,
        has_article,
    )


def _before_slot(text: str) -> str:
    return _tight(ARTICLE_BEFORE.sub("", text))


def _tight(text: str) -> str:
    """The text without spaces beside Chinese, Japanese and Korean characters."""
    return text if text.isascii() else SPACE_AT_WIDE.sub("", text)


def read_patterns(path: str, relations: Mapping[str, str], ledger: Ledger) -> list[Pattern]:
    """The patterns of a file with a line `relation: pattern` for each; `#` begins a comment line.

    relations: the ids by id and by name, as `TripleStore.relation_ids` returns them.
    Bad lines go to the ledger as `file:line`.
    """
    patterns: list[Pattern] = []
    for number, raw in enumerate(read_lines(path), 1):
        try:
            line = raw.decode("utf-8-sig").strip()
            if not line or line.startswith("#"):
                continue
            ledger.count("patterns read")
            name, *rest = RELATION_END.split(line, maxsplit=1)
            if not rest:
                raise FieldError("pattern", f"expected `relation: pattern`, got {shown(line)}", PATTERN_HINT)
            relation = relations.get(name.strip()) or relations.get(fold_name(name))
            if relation is None:
                raise FieldError(
                    "relation", f"expected the id or a name of a relation in --knowledge, got {shown(name)}"
                )
            patterns += compile_pattern(relation, rest[0])
        except UnicodeDecodeError as error:
            ledger.reject(f"{path}:{number}", FieldError("pattern", f"expected UTF-8, got {error.reason}"))
        except FieldError as error:
            ledger.reject(f"{path}:{number}", error, raw.decode("utf-8", "replace"))
    return list(dict.fromkeys(patterns))


class PatternMatcher:
    """Reads triples from sentences. The time of a sentence depends on its mentions, not on the number of patterns."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self.by_between: dict[str, list[Pattern]] = defaultdict(list)
        for pattern in patterns:
            self.by_between[pattern.between].append(pattern)
        self.longest = max(map(len, self.by_between), default=0)

    def read(self, sentence: str, mentions: list[Mention]) -> list[ReadTriple]:
        """The triples that a sentence says, in the order of their first slots.

        A pattern begins where a clause can begin, and ends where it can end: `Paris Hilton` is not an object of `the
        capital of France is {object}`. No triple is read from a denial, a
        doubt or a question.
        """
        readings = [
            ReadTriple(first, pattern.relation, second)
            if pattern.is_subject_first
            else ReadTriple(second, pattern.relation, first)
            for first, second, pattern in self.matches(sentence, mentions)
            if not is_denied(sentence, first.start, second.end)
        ]
        return list(dict.fromkeys(readings))

    def matches(self, sentence: str, mentions: list[Mention]) -> Iterator[tuple[Mention, Mention, Pattern]]:
        """Each pattern that matches, with the mentions in its slots."""
        for place, first in enumerate(mentions):
            for second in mentions[place + 1 :]:
                if second.start - first.end > 2 * self.longest + 10:
                    break
                between = _before_slot(fold_text(sentence[first.end : second.start]).text)
                for pattern in self.by_between.get(between, ()):
                    if _has_context(pattern, sentence[: first.start], sentence[second.end :]):
                        yield first, second, pattern


def is_denied(sentence: str, start: int, end: int) -> bool:
    """Whether the sentence denies or doubts what it says from `start` to `end`, or asks for it."""
    before, after = fold_text(sentence[:start]).text, fold_text(sentence[end:]).text
    return bool(DENIALS_BEFORE.search(before) or DENIALS_AFTER.search(after))


def _has_context(pattern: Pattern, before: str, after: str) -> bool:
    """Whether the text before and after the slots is that of the pattern, within one clause."""
    left = fold_text(before).text
    if pattern.before:
        left = _before_slot(left)
        if not left.endswith(pattern.before):
            return False
        left = left[: len(left) - len(pattern.before)]
        if pattern.has_article and ARTICLE_BEFORE.search(left):
            left = ""
    if not CLAUSE_START.search(ARTICLE_BEFORE.sub("", left)):
        return False
    right = _tight(fold_text(after).text)
    return right.startswith(pattern.after) and PATTERN_END.match(right, len(pattern.after)) is not None
