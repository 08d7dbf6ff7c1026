"""Contamination: training rows that have the question or the answer of a held-out row.

A short run of equal words is no evidence: most of what such a rule finds is false. A match needs the whole question;
or nearly the whole question, and an answer that few other held-out rows have; or nearly the whole of a long question,
or of a long answer. Words that many held-out rows have, as those of a template, count little.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sft_cli.curation.text_match import NOT_ALL, TextMatch, WeighedText, match_text
from sft_cli.curation.training_rows import TrainingTexts
from sft_cli.metrics.tokenizers import mixed

NEARLY_ALL = 0.8  # of a text, by the weights of its words
LEAST_SHARE_WITH_LONG_RUN = 0.5  # is enough with a run of LONG_RUN words
LONG_TEXT = 8  # words: such a text is evidence alone, if nothing of it differs
LONG_NEAR_TEXT = 10  # words: such a text is evidence alone. One other word makes another question of a shorter one.
LONG_RUN = 30  # words
MOST_WITH_ANSWER = 2  # held-out rows, or LARGEST_SHARE of them: an answer of more rows, as a label, is no evidence
LARGEST_SHARE = 0.01
SHARED_RUN = 3  # words in one run that two texts share before they are compared
LEAST_RUNS = 0.2  # of the n-grams of a held-out text, to be compared
MOST_ROWS_OF_RUN = 50  # an n-gram of more held-out rows is a part of a template
BOTH, QUESTION, ANSWER = CONTAINED_PARTS = ("question and answer", "question", "answer")


@dataclass(frozen=True)
class HeldOutRow:
    """A row of a test. question: what is asked. answers: its references; can be empty."""

    question: str
    answers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contamination:
    """A training row has a held-out row. row: the number of the held-out row. part: one of CONTAINED_PARTS.

    match: how the training row has the question; for the part `answer`, how it has the answer.
    """

    row: int
    part: str
    match: TextMatch


class HeldOut:
    """Held-out rows that can be looked for in training rows.

    Needs about 300 bytes of memory for each of their words. A row without a question and answers is never found.
    """

    def __init__(self, rows: Sequence[HeldOutRow]) -> None:
        asked = _weighed([(number, row.question) for number, row in enumerate(rows)])
        told = _weighed([(number, answer) for number, row in enumerate(rows) for answer in dict.fromkeys(row.answers)])
        self.questions = {text.row: text for text in asked}
        self.answers: defaultdict[int, list[WeighedText]] = defaultdict(list)
        for text in told:
            self.answers[text.row].append(text)
        rows_with = Counter(" ".join(text.words) for text in told)
        most = max(MOST_WITH_ANSWER, LARGEST_SHARE * len(rows))
        self._common = {answer for answer, count in rows_with.items() if count > most}
        texts = asked + told
        self._rows = [text.row for text in texts]
        self._whole: defaultdict[str, list[int]] = defaultdict(list)  # by all words: the numbers of texts
        ngrams: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        for number, text in enumerate(texts):
            self._whole[" ".join(text.words)].append(number)
            for ngram in _runs_of(text.words):
                ngrams[ngram].append(number)
        self._with_ngram = {ngram: numbers for ngram, numbers in ngrams.items() if len(numbers) <= MOST_ROWS_OF_RUN}
        own = Counter(number for numbers in self._with_ngram.values() for number in numbers)
        self._enough = [max(1, math.ceil(LEAST_RUNS * own[number])) for number in range(len(texts))]

    def found_in(self, training: TrainingTexts) -> list[Contamination]:
        """The held-out rows that a training row has, in their order."""
        found = (self._contamination(row, training) for row in self._candidates(training))
        return [each for each in found if each]

    def _candidates(self, training: TrainingTexts) -> list[int]:
        """The rows with a text that the training row has whole, or with which it shares enough n-grams."""
        words = [mixed(text) for text in (*training.asked, *training.learned)]
        numbers = {number for each in words for number in self._whole.get(" ".join(each), ())}
        shared: Counter[int] = Counter()
        for ngram in self._with_ngram.keys() & set().union(*map(_runs_of, words)):
            shared.update(self._with_ngram[ngram])
        numbers.update(number for number, count in shared.items() if count >= self._enough[number])
        return sorted({self._rows[number] for number in numbers})

    def _contamination(self, row: int, training: TrainingTexts) -> Contamination | None:
        question, answers = self.questions.get(row), self.answers.get(row, [])
        asked = _largest_match([question] if question else [], (*training.asked, *training.learned))
        told = _largest_match(answers, training.learned)
        has_answer = told is not None and told.share >= NEARLY_ALL
        if asked and question:
            if asked.is_whole or _is_evidence(asked, question.length):
                return Contamination(row, BOTH if has_answer else QUESTION, asked)
            if has_answer and asked.share >= NEARLY_ALL and not self._have_common(answers):
                return Contamination(row, BOTH, asked)
        if told and _is_evidence(told, max(answer.length for answer in answers)):
            return Contamination(row, ANSWER, told)
        return None

    def _have_common(self, answers: Iterable[WeighedText]) -> bool:
        """Whether each answer of a row is that of many rows."""
        return all(" ".join(answer.words) in self._common for answer in answers)


def _is_evidence(match: TextMatch, length: float) -> bool:
    """Whether a match is enough alone; length: of the text that was looked for, in words."""
    if match.form != NOT_ALL:
        return length >= LONG_TEXT
    return (match.share >= NEARLY_ALL and length >= LONG_NEAR_TEXT) or match.longest >= LONG_RUN


def _largest_match(wanted: Iterable[WeighedText], texts: Sequence[str]) -> TextMatch | None:
    """The match with the largest share; a whole one before others."""
    found = (match_text(each, text, LEAST_SHARE_WITH_LONG_RUN) for each in wanted for text in texts)
    return max((each for each in found if each), key=lambda each: (each.share, each.is_whole), default=None)


def _weighed(texts: Sequence[tuple[int, str]]) -> list[WeighedText]:
    """The texts in words; the weight of a word is ln((1 + texts) / (texts that have it))."""
    split = [(row, text, mixed(text)) for row, text in texts if text.strip()]
    having = Counter(word for _, _, words in split for word in set(words))
    total = 1 + len(split)
    return [
        WeighedText(row, text, words, [math.log(total / having[word]) for word in words]) for row, text, words in split
    ]


def _runs_of(words: list[str]) -> set[tuple[str, ...]]:
    return set(zip(*(words[start:] for start in range(SHARED_RUN)), strict=False))
