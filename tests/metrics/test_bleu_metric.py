import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU

from sft_cli.metrics.protocol import read_metric

TEXTS = st.lists(st.sampled_from(["The", "cat", "sat,", "on", "the", "mat."]), max_size=9).map(" ".join)


def added(metric, rows):
    total = {}
    for row in rows:
        for name, value in metric.sums(row).items():
            total[name] = total.get(name, 0) + value
    return total


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=6))
def test_equals_corpus_bleu_with_two_references_and_empty_hypotheses(triples):
    metric = read_metric("bleu:tokenize=13a").metric
    total = added(metric, [{"completion": a, "references": [b, c]} for a, b, c in triples])
    expected = BLEU(tokenize="13a", force=True).corpus_score(
        [a for a, _, _ in triples], [[b for _, b, _ in triples], [c for _, _, c in triples]]
    )
    assert metric.values(total)["bleu"] == pytest.approx(expected.score, abs=1e-9)


def test_readme_example_of_sacrebleu():
    metric = read_metric("bleu").metric
    rows = [
        ("The dog bit the man.", ["The dog bit the man.", "The dog had bit the man."]),
        ("It wasn't surprising.", ["It was not unexpected.", "No one was surprised."]),
        ("The man had just bitten him.", ["The man bit him first.", "The man had bitten the dog."]),
    ]
    total = added(metric, [{"completion": text, "references": references} for text, references in rows])
    assert metric.values(total)["bleu"] == pytest.approx(48.530827, abs=1e-6)  # sacrebleu test/test_bleu.py


def test_chinese_selects_zh_and_says_so():
    named = read_metric("bleu")
    row = {"completion": "我爱北京天安门。", "references": ["我爱北京的天安门。"]}
    expected = sacrebleu.corpus_bleu([row["completion"]], [row["references"]], tokenize="zh").score
    assert named.metric.values(named.metric.sums(row))["bleu"] == pytest.approx(expected, abs=1e-9)
    assert "|tok:zh|" in named.signature()
    assert named.metric.sums({"completion": "a", "references": ["a b"]})["other_script"] == 1


def test_signature_is_that_of_sacrebleu():
    named = read_metric("bleu")
    sums = named.metric.sums({"completion": "a b c d", "references": ["a b c d"]})
    theirs = BLEU()
    theirs.corpus_score(["a b c d"], [["a b c d"]])
    assert str(theirs.get_signature()) in named.signature(sums)


def test_rows_with_unequal_numbers_of_references_have_one_signature():
    named = read_metric("bleu")
    rows = [{"completion": "a b", "references": ["a b"] * count} for count in (1, 2)]
    sums, signatures = [], set()
    for row in rows:
        sums.append(named.metric.sums(row))
        signatures.add(named.signature())
    assert len(signatures) == 1  # sft compare refuses a file whose rows were scored in different ways
    assert "|n:1|nrefs:2|" in named.signature(sums[1])
    assert "|nrefs:var|" in named.signature({**sums[0], **sums[1]})


def test_a_perfect_short_row_scores_100():
    metric = read_metric("bleu").metric
    assert metric.row_values(metric.sums({"completion": "好", "references": ["好"]})) == {"bleu": 100.0}


def test_a_failed_row_is_an_empty_hypothesis():
    sums = read_metric("bleu").metric.sums({"completion": None, "references": ["a b c"]})
    assert (sums["system_length"], sums["reference_length"], sums["count"]) == (0, 3, 1)
