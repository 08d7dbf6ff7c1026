"""The figures of `sft prep --stats` equal counts by hand, and do not depend on the order of the rows."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sft_cli.curation.duplicates import NormalisedDuplicates
from sft_cli.curation.filters.copy import CopyFilter, copied_share, in_common_runs
from sft_cli.curation.statistics.figure import SeenRow, quantiles
from sft_cli.curation.statistics.labels import LabelFigures
from sft_cli.curation.statistics.lengths import bins_by_doubling
from sft_cli.curation.statistics.measure import DataStatistics
from sft_cli.curation.statistics.ngrams import FEWEST_RUNS, NgramFigures
from sft_cli.curation.statistics.phrases import PhraseFigures, common_beginnings, joined_words
from sft_cli.curation.statistics.sample import LONGEST_SAMPLED, AnswerSample
from sft_cli.curation.statistics.scripts import main_script
from sft_cli.metrics.tokenizers import mixed

WORDS = st.sampled_from(["the", "cat", "Cat.", "sat", "on", "a", "mat", "猫", "…", "I", "cannot", "help"])
TEXTS = st.lists(WORDS, max_size=8).map(" ".join)
ROWS = st.lists(st.tuples(st.sampled_from(["qa", "chat"]), TEXTS, TEXTS), max_size=25)


def row(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def figures_of(rows: list[tuple[str, str, str]]) -> dict[str, Any]:
    statistics = DataStatistics()
    for source, question, answer in rows:
        statistics.see(row(question, answer), source)
    return statistics.figures()


@settings(max_examples=60)
@given(ROWS, st.randoms(use_true_random=False))
def test_figures_do_not_depend_on_the_order(rows: list[tuple[str, str, str]], draw: random.Random) -> None:
    once = figures_of(rows)
    draw.shuffle(rows)
    assert figures_of(rows) == once


@settings(max_examples=60)
@given(ROWS)
def test_figures_are_counts_by_hand(rows: list[tuple[str, str, str]]) -> None:
    found = figures_of(rows)
    assert found["rows"]["rows"] == len(rows)
    assert {each["text"]: each["rows"] for each in found["rows"]["rows_by_source"]} == Counter(r[0] for r in rows)
    lengths = [len(mixed(answer)) for _, _, answer in rows]
    assert found["duplicates"]["exact"]["rows"] == len(rows) - len({(q, a) for _, q, a in rows})
    finder = NormalisedDuplicates()
    for _, question, answer in rows:
        finder.see(row(question, answer))
    assert found["duplicates"]["normalised"]["rows"] == len(finder.duplicates())
    answers = {tuple(mixed(answer)) for _, _, answer in rows}
    assert found["duplicates"]["same_answer_as_another_row"]["rows"] == len(rows) - len(answers)
    said: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for _, question, answer in rows:
        said.setdefault(tuple(mixed(question)), set()).add(tuple(mixed(answer)))
    conflicts = sum(bool(mixed(q)) and len(said[tuple(mixed(q))]) > 1 for _, q, _ in rows)
    assert found["duplicates"]["same_question_other_answer"]["rows"] == conflicts
    empty = sum(not any(map(str.isalnum, answer)) for _, _, answer in rows)
    assert found["answers"]["without_letters_and_digits"]["rows"] == empty
    short = sum(any(map(str.isalnum, r[2])) and size <= 2 for r, size in zip(rows, lengths, strict=True))
    assert found["answers"]["of_one_or_two_words"]["rows"] == short
    fours = [tuple(words[i : i + 4]) for words in (mixed(r[2]) for r in rows) for i in range(len(words) - 3)]
    assert found["n-grams"]["4_grams"] == len(fours)
    assert found["n-grams"]["distinct_4"] == (pytest.approx(len(set(fours)) / len(fours)) if fours else None)


@given(st.lists(st.integers(0, 500), min_size=1))
def test_quantiles_are_those_of_numpy(numbers: list[int]) -> None:
    found = quantiles(Counter(numbers))
    assert found is not None
    wanted = np.quantile(numbers, [0.05, 0.5, 0.95], method="inverted_cdf").tolist()
    assert [found["p5"], found["median"], found["p95"]] == wanted
    assert (found["smallest"], found["largest"]) == (min(numbers), max(numbers))
    assert found["mean"] == pytest.approx(np.mean(numbers))
    bins = bins_by_doubling(Counter(numbers))
    assert sum(each["rows"] for each in bins) == len(numbers)


@given(st.lists(WORDS, max_size=40), st.lists(WORDS, max_size=40), st.integers(1, 6))
def test_common_runs_are_never_less_than_the_copied_share(question: list[str], answer: list[str], run: int) -> None:
    assert in_common_runs(question, answer, run) >= copied_share(question, answer, run) - 1e-12
    exact = copied_share(mixed(" ".join(question)), mixed(" ".join(answer)), run) > 0.5
    found = CopyFilter(most=0.5, run=run, min=1).problem(row(" ".join(question), " ".join(answer)))
    assert bool(found) == exact


def test_the_sample_is_the_same_in_any_order_and_has_all_rows_of_a_small_file() -> None:
    rows = [SeenRow(row("q", f"answer {number}")) for number in range(200)]
    first, second, whole = AnswerSample(20), AnswerSample(20), AnswerSample(1000)
    for seen in rows:
        first.see(seen)
        whole.see(seen)
    for seen in random.Random(1).sample(rows, len(rows)):
        second.see(seen)
    assert first.texts() == second.texts()
    assert len(first.texts()) == 20
    assert sorted(whole.texts()) == sorted(f"answer {number}" for number in range(200))


def test_a_long_answer_keeps_its_beginning_and_its_end() -> None:
    sample = AnswerSample()
    sample.see(SeenRow(row("q", "begin " + "x " * LONGEST_SAMPLED + "end")))
    (text,) = sample.texts()
    assert len(text) <= LONGEST_SAMPLED + 1
    assert text.startswith("begin")
    assert text.endswith("end")


def phrases(answers: list[str]) -> dict[str, Any]:
    each = PhraseFigures()
    for answer in answers:
        each.see(SeenRow(row("q", answer)))
    return each.values()


def test_template_phrases_at_both_ends_are_found() -> None:
    answers = [f"As an AI model, I think w{n} v{n} u{n} t{n}" for n in range(8)]
    answers += [f"w{n} x{n} y{n} z{n}. I hope this helps you!" for n in range(6)]
    answers += [f"p{n} q{n} r{n} s{n} t{n}" for n in range(6)]
    found = phrases(answers)
    assert found["answers_with_a_template_phrase"]["rows"] == 14
    assert [(each["text"], each["rows"]) for each in found["beginnings"]] == [("as an ai model i think", 8)]
    assert [(each["text"], each["rows"]) for each in found["endings"]] == [("i hope this helps you", 6)]
    assert found["openings"] == [{"text": "as an ai", "rows": 8, "share": 0.4}]


def test_a_phrase_needs_three_answers_and_four_words() -> None:
    assert list(common_beginnings([["a", "b", "c"]] * 5, 3)) == []
    assert phrases(["one two three four"] * 2)["answers_with_a_template_phrase"]["rows"] == 0
    assert joined_words(["下", "面", "is", "a", "例", "子"]) == "下面 is a 例子"


def test_the_most_frequent_ngrams_make_a_repeated_text() -> None:
    each = NgramFigures()
    for _ in range(FEWEST_RUNS // 50):
        each.see(SeenRow(row("q", " ".join(f"w{n}" for n in range(60)))))
    assert each.values()["in_the_100_most_frequent"]["share"] == 1.0
    few = NgramFigures()
    few.see(SeenRow(row("q", "one two three four five")))
    assert few.values()["in_the_100_most_frequent"] is None


def labels(answers: list[tuple[str, str]]) -> dict[str, Any]:
    each = LabelFigures()
    for source, answer in answers:
        each.see(SeenRow(row("q", answer), source))
    return each.values()


def test_labels_are_few_short_answers_of_one_source() -> None:
    pairs = [("mood", "good")] * 9 + [("mood", "bad ")] * 3 + [("chat", f"answer {n}") for n in range(60)]
    found = labels(pairs)
    assert found["most_frequent_label"] == {"share": 0.75}
    assert [(each["text"], each["rows"]) for each in found["labels_of_mood"]] == [("good", 9), ("bad", 3)]
    assert "labels_of_chat" not in found
    assert labels([("mood", "good")] * 4 + [("mood", "bad")] * 4) == {}  # too few rows to say so
    assert labels([("mood", "a b c d e f g h i j k")] * 20 + [("mood", "x")] * 20) == {}


@pytest.mark.parametrize(
    ("text", "system"),
    [("Hello", "latin"), ("你好", "han"), ("東京タワーへ行きました", "kana"), ("Привет", "cyrillic"), ("12 + 3", "")],
)
def test_the_writing_system_of_a_text(text: str, system: str) -> None:
    assert main_script(text) == system
