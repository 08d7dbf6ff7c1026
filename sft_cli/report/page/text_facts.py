"""One pass over the generations: the figures of every completion, and the texts of the rows that the page shows."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from sft_cli.metrics.repetition import sequence_repetition
from sft_cli.metrics.tokenizers import mixed
from sft_cli.report.pairs import Pairs
from sft_cli.report.texts import RowTexts, TextFile
from sft_cli.run.writing_systems import HAN_RANGES, HANGUL, KANA

NGRAM = 4
_CJK = re.compile(f"[{HAN_RANGES}{KANA}{HANGUL}]")
LANGUAGE_NAMES = ("Chinese, Japanese, Korean", "mixed", "other languages")


def script_of(text: str) -> str:
    """The language of a text by its letters: CJK if at least half of them are, other if none is, otherwise mixed."""
    letters = sum(map(str.isalpha, text))
    cjk = len(_CJK.findall(text))
    if not letters or not cjk:
        return LANGUAGE_NAMES[2]
    return LANGUAGE_NAMES[0] if 2 * cjk >= letters else LANGUAGE_NAMES[1]


@dataclass
class TextFacts:
    """What the texts of all pairs are like. By side: words, repetition and confidence of each completion.

    lengths: words and CJK characters, NaN without a completion. repetition: NaN for completions of fewer than NGRAM
    words. confidence: NaN if the generations have none. cut: how many completions ended at the token limit.
    questions: characters; languages: `script_of` the question. shown: the texts of the asked pairs, by side and pair.
    """

    lengths: list[array[float]]
    repetition: list[array[float]]
    confidence: list[array[float]]
    cut: list[int]
    questions: array[float]
    languages: list[str]
    tasks: list[str | None]
    shown: dict[tuple[int, int], RowTexts] = field(default_factory=dict)


def read_text_facts(sources: Sequence[TextFile], pairs: Pairs, asked: Sequence[int]) -> TextFacts:
    """Read the generations of each file once; only the texts of the asked pairs are kept."""
    size, missing = len(pairs), [math.nan] * len(pairs)
    facts = TextFacts(
        lengths=[array("d", missing) for _ in sources],
        repetition=[array("d", missing) for _ in sources],
        confidence=[array("d", missing) for _ in sources],
        cut=[0] * len(sources),
        questions=array("d", [0.0] * size),
        languages=[LANGUAGE_NAMES[2]] * size,
        tasks=[None] * size,
    )
    for side, source in enumerate(sources):
        places = {int(row): place for place, row in enumerate(pairs.rows[side].tolist())}
        shown = {int(pairs.rows[side][place]) for place in asked}
        for row, texts in source.read(shown, has_all=True):
            place = places.get(row)
            if place is None:
                continue
            if side == 0:
                facts.questions[place] = len(texts.question)
                facts.languages[place] = script_of(texts.question)
                facts.tasks[place] = texts.task
            facts.cut[side] += texts.is_cut
            if texts.confidence is not None:
                facts.confidence[side][place] = texts.confidence
            if texts.completion is not None:
                words = mixed(texts.completion)
                facts.lengths[side][place] = len(words)
                if len(words) >= NGRAM:
                    facts.repetition[side][place] = sequence_repetition(words, NGRAM)
            if row in shown:
                facts.shown[side, place] = texts
    return facts
