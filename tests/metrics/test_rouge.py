import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from sft_cli.metrics.protocol import read_metric
from sft_cli.metrics.rouge import common_subsequence, rouge_l, rouge_n

WORDS = st.lists(st.sampled_from(["The", "cat", "sat,", "on", "a", "mat.", "x-1", "!", "dog"]), max_size=14)
TEXTS = st.one_of(WORDS.map(" ".join), st.text(alphabet="abC 1,.-", max_size=30))
NAMES = {"rouge-1": "rouge1", "rouge-2": "rouge2", "rouge-l": "rougeL"}


@settings(max_examples=150, deadline=None)
@given(predicted=TEXTS, references=st.lists(TEXTS, min_size=1, max_size=3))
def test_equals_rouge_score(predicted, references):
    scorer = rouge_scorer.RougeScorer(list(NAMES.values()), use_stemmer=False)
    expected = scorer.score_multi(references, predicted)
    for name, theirs in NAMES.items():
        metric = read_metric(name, tokenizer="rouge155").metric
        sums = metric.sums({"completion": predicted, "references": references})
        # Among references with equal F rouge-score and we both keep the first.
        assert (sums["precision"], sums["recall"], sums["f"]) == pytest.approx(tuple(expected[theirs]), abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="abc", max_size=80), st.text(alphabet="abc", max_size=80))
def test_bit_parallel_subsequence_equals_the_textbook_table(left, right):
    table = [0] * (len(right) + 1)
    for a in left:
        previous = 0
        for place, b in enumerate(right, 1):
            previous, table[place] = table[place], previous + 1 if a == b else max(table[place], table[place - 1])
    assert common_subsequence(list(left), list(right)) == table[-1]


def test_chinese_identical_texts_score_one_and_different_ones_do_not():
    for name in NAMES:
        metric = read_metric(name).metric
        same = metric.sums({"completion": "我用GPT-4写代码", "references": ["我用GPT-4写代码"]})
        different = metric.sums({"completion": "我用GPT-4写代码", "references": ["他用GPT-4画图"]})
        assert same["f"] == 1.0
        assert 0 < different["f"] < 0.5  # rouge-score gives 1.0


def test_lin_2004_police_example():
    # Lin 2004, §3.1: S2 "police kill the gunman" has LCS 3 of 4, S3 "the gunman kill police" 2 of 4.
    reference = ["police", "killed", "the", "gunman"]
    assert rouge_l(["police", "kill", "the", "gunman"], reference)[1] == 0.75
    assert rouge_l(["the", "gunman", "kill", "police"], reference)[1] == 0.5
    assert rouge_n(["police", "kill", "the", "gunman"], reference, 2)[1] == pytest.approx(1 / 3)


def test_beta_weighs_recall():
    sums = {beta: read_metric(f"rouge-l:beta={beta}").metric.sums for beta in ("1", "1.2")}
    row = {"completion": "a b", "references": ["a b c d"]}
    assert sums["1"](row)["f"] == pytest.approx(2 / 3)
    assert sums["1.2"](row)["f"] == pytest.approx(2.44 * 0.5 / (0.5 + 1.44))


def test_references_max_takes_all_three_numbers_from_one_reference_and_mean_averages():
    row = {"completion": "a b", "references": ["a b c d", "a"]}
    best = read_metric("rouge-1").metric.sums(row)
    assert (best["precision"], best["recall"]) == (1.0, 0.5)
    mean = read_metric("rouge-1:references=mean").metric.sums(row)
    assert (mean["precision"], mean["recall"]) == (0.75, 0.75)
