import math
from itertools import combinations

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.metrics.consistency import answer_entropy, majority_share, pairwise_agreement
from sft_cli.metrics.diversity import distinct, self_bleu
from sft_cli.metrics.protocol import read_metric

ANSWERS = st.lists(st.sampled_from(["a", "b", "c", None]), min_size=2, max_size=8)


def samples(*completions, references=()):
    return [
        {"id": "p", "sample": at, "completion": text, "references": list(references)}
        for at, text in enumerate(completions)
    ]


def values(metric, rows):
    kind = read_metric(metric).metric
    return kind.values(kind.sample_sums(rows))


def test_the_majority_counts_only_answers():
    answers = ["7", "7", "8", None, None]
    assert majority_share(answers) == 2 / 5
    assert pairwise_agreement(answers) == 1 / 10
    assert answer_entropy(answers) == pytest.approx(-(0.4 * math.log(0.4) + 3 * 0.2 * math.log(0.2)))
    assert majority_share([None, None]) == 0


@given(ANSWERS)
def test_agreement_is_the_share_of_equal_pairs(answers):
    pairs = list(combinations(answers, 2))
    equal = sum(left is not None and left == right for left, right in pairs)
    assert pairwise_agreement(answers) == pytest.approx(equal / len(pairs))
    assert 0 <= answer_entropy(answers) <= math.log(len(answers)) + 1e-12


@given(st.text(min_size=1), st.integers(2, 5))
def test_equal_samples_agree_wholly(text, count):
    found = values("consistency:normalize=none", samples(*[text] * count))
    assert found == {
        "consistency.majority": 1,
        "consistency.agreement": 1,
        "consistency.entropy": 0,
        "consistency.pairwise_f1": 1,
    }


def test_consistency_of_extracted_answers_and_the_vote():
    rows = samples("so 7", "7.", "I get 7.0", "8", "no idea", None, references=["#### 7"])
    named = read_metric("consistency:extract=number")
    sums = named.metric.sample_sums(rows)
    assert (sums["majority"], sums["agreement"]) == (3 / 6, 3 / 15)
    assert (sums["samples"], sums["no_answer"], sums["majority_correct"]) == (6, 2, 1)
    assert named.values(sums)["consistency.majority_correct:extract=number"] == 1


def test_of_equally_frequent_answers_the_first_is_the_vote():
    assert values("consistency", samples("A", "B", references=["A"]))["consistency.majority_correct"] == 1
    assert values("consistency", samples("B", "A", references=["A"]))["consistency.majority_correct"] == 0
    assert values("consistency", samples(None, None, references=["A"]))["consistency.majority_correct"] == 0


def test_consistency_tells_chinese_answers_apart():
    assert values("consistency", samples("北京。", "北京", "南京"))["consistency.majority"] == 2 / 3
    assert values("consistency", samples("我爱北京", "我爱南京"))["consistency.pairwise_f1"] == 0.75


def test_one_sample_says_nothing():
    for metric in ("consistency", "diversity"):
        assert read_metric(metric).metric.sample_sums(samples("a")) is None
    assert read_metric("diversity").metric.sample_sums(samples("a", None)) is None


def test_distinct_counts_ngrams_of_all_samples_together():
    assert distinct([["a", "b"], ["a", "c"]], 1) == 3 / 4
    assert distinct([["a", "b"], ["a", "b"]], 2) == 1 / 2
    assert distinct([["a"], []], 2) is None


def test_self_bleu_is_the_mean_of_sentence_bleu_against_the_others():
    texts = ["the cat sat on the mat", "the cat sat on a rug today", "a dog ran in the big park"]
    expected = [
        sacrebleu.sentence_bleu(text, texts[:at] + texts[at + 1 :], use_effective_order=True).score
        for at, text in enumerate(texts)
    ]
    assert self_bleu(texts) == pytest.approx(sum(expected) / 3, abs=1e-9)
    assert self_bleu(["好的好的"] * 2) == pytest.approx(100)
    assert self_bleu(["我爱北京", "他去过南极"]) < 50


def test_diversity_of_a_prompt():
    found = values("diversity:n=3", samples("the cat", "the cat", "a dog", None))
    assert found["diversity.distinct_1"] == 4 / 6
    assert found["diversity.distinct_2"] == 2 / 3
    assert "diversity.distinct_3" not in found
    assert found["diversity.self_bleu"] == pytest.approx(self_bleu(["the cat", "the cat", "a dog"]))
