"""ROUGE as metrics: equal to rouge-score where that has the metric, and what each option promises."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from sft_cli.metrics import METRICS
from sft_cli.metrics.protocol import read_metric
from sft_cli.metrics.rouge.metric import rouge_sentences
from sft_cli.run.errors import UserError

VOCABULARY = ["The", "cat", "sat,", "on", "a", "mat.", "x-1", "!", "dog", "running", "Cats", "\n"]
WORDS = st.lists(st.sampled_from(VOCABULARY), max_size=14)
TEXTS = st.one_of(WORDS.map(" ".join), st.text(alphabet="abC 1,.-\n", max_size=30))
NAMES = {
    "rouge-1": "rouge1",
    "rouge-2": "rouge2",
    "rouge-n:n=4": "rouge4",
    "rouge-l": "rougeL",
    "rouge-lsum": "rougeLsum",
}
ROUGES = [name for name in METRICS if name.startswith("rouge-")]


@pytest.mark.slow
@pytest.mark.parametrize("stem", ["none", "porter"])
@settings(max_examples=150, deadline=None)
@given(predicted=TEXTS, references=st.lists(TEXTS, min_size=1, max_size=3))
@example("The The The cat cat cat", ["The", "The " * 9 + "x-1 x-1 x-1"])  # equal F, rounded to different floats
def test_equals_rouge_score(stem: str, predicted: str, references: list[str]) -> None:
    scorer = rouge_scorer.RougeScorer(list(NAMES.values()), use_stemmer=stem == "porter")
    expected = scorer.score_multi(references, predicted)
    for name, theirs in NAMES.items():
        metric = read_metric(name, tokenizer="rouge155", stem=stem).metric
        sums = metric.sums({"completion": predicted, "references": references})
        assert sums is not None
        # Among references with equal F rouge-score and we both keep the first.
        assert (sums["precision"], sums["recall"], sums["f"]) == pytest.approx(tuple(expected[theirs]), abs=1e-9)


@pytest.mark.parametrize("name", ROUGES)
def test_equal_texts_score_one_and_chinese_ones_that_differ_do_not(name: str) -> None:
    metric = read_metric(name).metric
    for text in ("我用GPT-4写代码", "the cat sat on the mat", "كتب الولد الدرس", "🙂🙃🙂🙂"):
        same = metric.sums({"completion": text, "references": [text]})
        assert same is not None
        assert same["f"] == pytest.approx(1.0)
    different = metric.sums({"completion": "我用GPT-4写代码", "references": ["他用GPT-4画图"]})
    assert different is not None
    assert 0 < different["f"] < 0.6 if name != "rouge-n" else different["f"] < 0.6  # rouge-score gives 1.0


@pytest.mark.parametrize("name", ROUGES)
def test_empty_texts_score_nothing(name: str) -> None:
    for completion, reference in (("", "a b c d"), ("a b c d", ""), ("", ""), (None, "a")):
        sums = read_metric(name).metric.sums({"completion": completion, "references": [reference]})
        assert sums == {"precision": 0.0, "recall": 0.0, "f": 0.0, "count": 1}


def value(name: str, completion: str, *references: str) -> tuple[float, float, float]:
    sums = read_metric(name).metric.sums({"completion": completion, "references": list(references)})
    assert sums is not None
    return sums["precision"], sums["recall"], sums["f"]


def test_examples_of_lin_2004() -> None:
    reference, second, third, fourth = (
        "police killed the gunman", "police kill the gunman", "the gunman kill police", "the gunman police killed"
    )  # fmt: skip
    assert [value("rouge-l", text, reference)[2] for text in (second, third, fourth)] == [0.75, 0.5, 0.5]  # §3.1
    assert value("rouge-2", second, reference)[1] == pytest.approx(1 / 3)
    assert [value("rouge-s:gap=none", text, reference)[2] for text in (second, third, fourth)] == pytest.approx(
        [3 / 6, 1 / 6, 2 / 6]
    )  # §4.1
    # §3.2: sentences "w1 w2 w6 w7 w8" and "w1 w3 w8 w9 w5" against "w1 w2 w3 w4 w5": the union is w1 w2 w3 w5.
    summary = "w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5"
    assert value("rouge-lsum", summary, "w1 w2 w3 w4 w5")[1] == 4 / 5
    # §3.3, f(k) = k²: Y1 has its four matches in a row.
    found = [value("rouge-w:weight=2", text, "a b c d e f g")[1] for text in ("a b c d h i k", "a h b k c i d")]
    assert found == pytest.approx([0.571, 0.286], abs=5e-4)


def test_beta_weighs_recall() -> None:
    assert value("rouge-l:beta=1", "a b", "a b c d")[2] == pytest.approx(2 / 3)
    assert value("rouge-l:beta=1.2", "a b", "a b c d")[2] == pytest.approx(2.44 * 0.5 / (0.5 + 1.44))


def test_several_references_become_one_number_in_four_ways() -> None:
    texts = ("a b", "a b c d", "a")
    assert value("rouge-1", *texts)[:2] == (1.0, 0.5)  # all three numbers are of the first: F 0.667, of the second too
    assert value("rouge-1:references=mean", *texts)[:2] == (0.75, 0.75)
    assert value("rouge-1:references=pooled", *texts)[:2] == (3 / 4, 3 / 5)
    assert value("rouge-1:references=best-recall", *texts)[:2] == (0.5, 1.0)


def test_stop_words_are_left_out_and_their_list_is_in_the_signature(tmp_path: Path) -> None:
    words, same, other = (tmp_path / name for name in ("stop.txt", "same.txt", "other.txt"))
    words.write_text("The\non\n的\n", encoding="utf-8")
    same.write_text("on 的 the", encoding="utf-8")
    other.write_text("on", encoding="utf-8")
    assert value(f"rouge-1:stop_words={words}", "the cat on it", "a cat on the mat")[:2] == (1 / 2, 1 / 3)
    assert value(f"rouge-1:stop_words={words}", "我的猫", "我猫")[2] == 1.0
    signatures = [read_metric(f"rouge-1:stop_words={path}").signature() for path in (words, same, other)]
    assert signatures[0] == signatures[1] != signatures[2]


def test_a_list_of_stop_words_that_is_not_there_is_named(tmp_path: Path) -> None:
    metric = read_metric(f"rouge-1:stop_words={tmp_path}/none.txt").metric
    with pytest.raises(UserError, match=r"stop_words: .*none.txt: cannot read: No such"):
        metric.sums({"completion": "a", "references": ["a"]})


def test_porter_leaves_other_scripts_and_short_words_alone() -> None:
    assert value("rouge-1:stem=porter", "running dogs", "run dog")[2] == 1.0
    assert value("rouge-1:stem=porter", "his", "hi")[2] == 0.0  # three letters
    assert value("rouge-1:stem=porter", "学习кошки", "学习кошки")[2] == 1.0


def test_sentences_end_at_marks_of_both_scripts_or_at_lines() -> None:
    text = "他来了。她走了！好？是…吧\nOne. Two! 3.5 is three；四!"
    assert rouge_sentences(text, "marks") == [
        "他来了。", "她走了！", "好？", "是…", "吧", "One.", "Two!", "3.5 is three；", "四!",
    ]  # fmt: skip
    assert rouge_sentences(text, "lines") == text.split("\n")
    assert rouge_sentences("\n \n", "marks") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rouge-s:gap=-1", "expected at least 0 or none, got '-1'"),
        ("rouge-s:gap=wide", "expected a whole number or none, got 'wide'"),
        ("rouge-n:n=0", "expected more than 0, got '0'"),
        ("rouge-w:compat=1.5", "expected one of paper, 1.5.5, got '1.5'"),
    ],
)
def test_options_that_make_no_sense_are_refused(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_metric(text)


def test_every_option_of_the_formula_is_in_the_signature() -> None:
    texts = ["rouge-s", "rouge-s:gap=none", "rouge-su", "rouge-su:compat=1.5.5", "rouge-w", "rouge-w:weight=2"]
    texts += [
        "rouge-n:n=3",
        "rouge-n:n=4",
        "rouge-lsum",
        "rouge-lsum:sentences=marks",
        "rouge-1",
        "rouge-1:stem=porter",
    ]
    signatures = [read_metric(text).signature() for text in texts]
    assert len(set(signatures)) == len(signatures)
    assert read_metric("rouge-s:gap=none").signature().startswith("rouge-s|tok:mixed|beta:1|ref:max|gap:none|")


@pytest.mark.parametrize("compat", ["paper", "1.5.5"])
@pytest.mark.parametrize("weight", [1.1, 1.2, 1.3, 2])
@pytest.mark.parametrize("length", range(5, 13))
def test_of_references_that_are_matched_as_well_the_first_is_best(compat, weight, length):
    words = [f"w{place}" for place in range(length)]
    whole, lacking = " ".join(words), " ".join(words[1:])
    metric = f"rouge-w:weight={weight},compat={compat},references=best-recall"
    # Both references are matched as a whole; powers of their lengths round to other shares of themselves.
    assert value(metric, whole, lacking, whole) == value(metric, whole, lacking)
    assert value(metric, whole, whole, lacking) == value(metric, whole, whole)
