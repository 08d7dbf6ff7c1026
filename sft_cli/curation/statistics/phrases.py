"""How answers begin and end: the most frequent openings, and phrases of a template."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from sft_cli.curation.statistics.figure import SeenRow, StatisticsFigures, Values, entries, rows_share
from sft_cli.metrics.tokenizers import SINGLE

OPENING, PHRASE = 3, 4  # words
LONGEST_PHRASE = 20
LEAST_SHARE, LEAST_ROWS = 0.01, 3  # of the answers that a phrase begins or ends
STAYS = 0.8  # share of the rows of a phrase that it must keep to become longer
MOST_PHRASES = 10
Words = Sequence[str]


def joined_words(words: Words) -> str:
    """Words as a text: Chinese characters, kana and Hangul without spaces."""
    text = " ".join(words)
    return "".join(
        sign
        for place, sign in enumerate(text)
        if sign != " " or not (SINGLE.match(text[place - 1]) and SINGLE.match(text[place + 1 : place + 2]))
    )


def common_beginnings(texts: Sequence[Words], least: int) -> Iterator[tuple[Words, int, int]]:
    """Runs of four words or more that begin at least `least` texts: (run, its texts, texts with its first four words).

    A run becomes longer as long as it keeps 80 % of the texts with its first four words.
    """
    groups: defaultdict[tuple[str, ...], list[Words]] = defaultdict(list)
    for words in texts:
        if len(words) >= PHRASE:
            groups[tuple(words[:PHRASE])].append(words)
    for start, members in groups.items():
        all_members = len(members)
        if all_members < least:
            continue
        run = list(start)
        while len(run) < LONGEST_PHRASE:
            following = Counter(words[len(run)] for words in members if len(words) > len(run))
            word, rows = max(following.items(), key=lambda each: (each[1], each[0]), default=("", 0))
            if rows < max(least, STAYS * all_members):
                break
            members = [words for words in members if len(words) > len(run) and words[len(run)] == word]
            run.append(word)
        yield run, len(members), all_members


@dataclass
class PhraseFigures(StatisticsFigures):
    """Phrases: runs of four words or more that begin or end 1 % of the answers, and the first three words of answers.

    Answers of three words or fewer are left out: they are labels.
    """

    of_sample: ClassVar[bool] = True
    heads: list[Words] = field(default_factory=list)
    tails: list[Words] = field(default_factory=list)  # the last word first

    def see(self, seen: SeenRow) -> None:
        """Keep the first and the last words."""
        words = seen.answer_words
        self.heads.append(words[:LONGEST_PHRASE])
        self.tails.append(words[: -LONGEST_PHRASE - 1 : -1])

    def values(self) -> Values:
        """The most frequent openings and phrases; rows that have such a phrase."""
        rows = len(self.heads)
        least = max(math.ceil(LEAST_SHARE * rows), LEAST_ROWS)
        openings = Counter(tuple(words[:OPENING]) for words in self.heads if len(words) >= PHRASE)
        begin, end = list(common_beginnings(self.heads, least)), list(common_beginnings(self.tails, least))
        starts, stops = ({tuple(run[:PHRASE]) for run, _, _ in found} for found in (begin, end))
        pairs = zip(self.heads, self.tails, strict=True)
        templated = sum(tuple(head[:PHRASE]) in starts or tuple(tail[:PHRASE]) in stops for head, tail in pairs)
        shown = [(joined_words(words), number) for words, number in openings.items()]
        return {
            "answers_with_a_template_phrase": rows_share(templated, rows),
            "most_frequent_opening": rows_share(max(openings.values(), default=0), rows),
            "openings": entries([each for each in shown if each[1] > 1], rows, MOST_PHRASES),
            "beginnings": entries([(joined_words(run), number) for run, number, _ in begin], rows, MOST_PHRASES),
            "endings": entries([(joined_words(run[::-1]), number) for run, number, _ in end], rows, MOST_PHRASES),
        }
