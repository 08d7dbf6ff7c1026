"""Duplicates: which rows are left out, whatever their order is, and that near ones really are near."""

from __future__ import annotations

import random
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sft_cli.curation.duplicates import Duplicate, FindsDuplicates, NormalisedDuplicates
from sft_cli.curation.near_duplicates import NearDuplicates
from sft_cli.curation.word_runs import WordRuns
from sft_cli.metrics.ngram_hashes import ngram_numbers
from sft_cli.metrics.tokenizers import mixed

TEXTS = st.lists(
    st.sampled_from(["The cat.", "the CAT", "the  cat!", "a dog", "A dog?", "", "…", "猫", "猫。"]), max_size=12
)


def row(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def left_out(finder: FindsDuplicates, rows: list[dict[str, Any]]) -> dict[int, Duplicate]:
    for each in rows:
        finder.see(each)
    return finder.duplicates()


def kept(finder: FindsDuplicates, rows: list[dict[str, Any]]) -> list[str]:
    out = left_out(finder, rows)
    return sorted(str(each) for number, each in enumerate(rows) if number not in out)


@given(TEXTS, st.randoms(use_true_random=False))
def test_one_row_of_each_sequence_of_words_is_kept_in_any_order(texts: list[str], draw: random.Random) -> None:
    rows = [row("Say it", text) for text in texts]
    once = kept(NormalisedDuplicates(), rows)
    draw.shuffle(rows)
    assert kept(NormalisedDuplicates(), rows) == once
    assert len(once) == len({tuple(mixed(f"Say it {text}")) for text in texts})


def test_the_part_that_is_compared() -> None:
    rows = [row("What is it?", "A cat"), row("what is it", "A dog"), row("And this?", "a cat.")]
    assert left_out(NormalisedDuplicates(), rows) == {}
    by_question = left_out(NormalisedDuplicates(on="question"), rows)
    assert sorted([*by_question, *(each.kept for each in by_question.values())]) == [0, 1]
    by_answer = left_out(NormalisedDuplicates(on="answer"), rows)
    assert sorted([*by_answer, *(each.kept for each in by_answer.values())]) == [0, 2]


def runs(text: str, n: int) -> set[tuple[str, ...]]:
    words = mixed(text)
    size = min(n, max(len(words), 1))
    return {tuple(words[start : start + size]) for start in range(len(words) - size + 1)}


def jaccard(first: str, second: str) -> float:
    one, two = runs(first, 3), runs(second, 3)
    return len(one & two) / len(one | two) if one | two else 1.0


def made_texts(count: int, seed: int) -> list[str]:
    """Texts of 30 to 60 words, a third of them with a few words of an earlier one changed."""
    draw = random.Random(seed)
    vocabulary = [f"w{number}" for number in range(400)]
    texts: list[list[str]] = []
    for number in range(count):
        words = list(draw.choice(texts)) if number % 3 == 2 else draw.choices(vocabulary, k=draw.randint(30, 60))
        for _ in range(draw.randint(0, 3) if number % 3 == 2 else 0):
            words[draw.randrange(len(words))] = draw.choice(vocabulary)
        texts.append(words)
    return [" ".join(words) for words in texts]


@pytest.mark.parametrize("seed", range(3))
def test_near_rows_are_near_a_kept_row_and_kept_rows_are_near_none(seed: int) -> None:
    texts = made_texts(300, seed)
    out = left_out(NearDuplicates(on="answer"), [row("?", text) for text in texts])
    for number, duplicate in out.items():
        assert duplicate.kept not in out
        assert duplicate.share == pytest.approx(jaccard(texts[number], texts[duplicate.kept]))
        assert duplicate.share >= 0.8
    rest = [text for number, text in enumerate(texts) if number not in out]
    pairs = sum(jaccard(first, second) >= 0.8 for first, second in combinations(rest, 2))
    assert not pairs
    assert len(out) > 40


@settings(max_examples=20)
@given(st.randoms(use_true_random=False))
def test_the_rows_that_are_kept_do_not_depend_on_the_order(draw: random.Random) -> None:
    rows = [row("?", text) for text in made_texts(60, 7)]
    once = kept(NearDuplicates(), rows)
    draw.shuffle(rows)
    assert kept(NearDuplicates(), rows) == once


def test_many_equal_rows_are_compared_with_the_kept_one_alone() -> None:
    rows = [row("?", "one two three four five six seven eight nine ten") for _ in range(3000)]
    assert len(left_out(NearDuplicates(), rows)) == 2999


def test_short_and_empty_rows() -> None:
    rows = [row("", text) for text in ["a", "A", "b", "", "", "a b"]]
    out = left_out(NearDuplicates(), rows)
    assert {frozenset((number, each.kept)) for number, each in out.items()} == {frozenset((0, 1))}  # "" has no words
    assert left_out(NearDuplicates(), []) == {}


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=8), max_size=12), st.integers(1, 4))
def test_runs_of_many_texts_are_those_of_each(texts: list[list[str]], n: int) -> None:
    numbers, sizes = WordRuns(n).of(texts)
    starts = [0, *sizes.cumsum().tolist()]
    for place, words in enumerate(texts):
        own = numbers[starts[place] : starts[place + 1]].tolist()
        assert own == sorted(set(ngram_numbers(words, min(n, max(len(words), 1))).tolist()))


@pytest.mark.parametrize("least", [0.5, 0.8, 0.95, 1.0])
@pytest.mark.parametrize("memory", [1.0, 1e-6])
def test_all_near_rows_are_found_with_little_memory_too(least: float, memory: float) -> None:
    texts = made_texts(150, 9)
    out = left_out(NearDuplicates(least=least, memory=memory, on="answer"), [row("?", text) for text in texts])
    rest = [text for number, text in enumerate(texts) if number not in out]
    assert not any(jaccard(first, second) >= least for first, second in combinations(rest, 2))
    assert out == left_out(NearDuplicates(least=least, on="answer"), [row("?", text) for text in texts])
