"""chrF, TER and BLEU's options against sacrebleu itself."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF, TER

from sft_cli.metrics.protocol import NamedMetric, read_metric
from sft_cli.run.errors import UserError

TEXTS = st.one_of(
    st.lists(st.sampled_from(["The", "cat", "sat,", "on", "the", "mat."]), max_size=9).map(" ".join),
    st.text(alphabet="我爱北京天安门。ab 🙂", max_size=9),
)
TRIPLES = st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=6)


def total_of(named: NamedMetric, triples: list[tuple[str, str, str]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for completion, *references in triples:
        for name, number in (named.metric.sums({"completion": completion, "references": references}) or {}).items():
            total[name] = total.get(name, 0) + number
    return total


def theirs(scorer: Any, triples: list[tuple[str, str, str]]) -> float:
    completions, first, second = (list(column) for column in zip(*triples, strict=True))
    return float(scorer.corpus_score(completions, [first, second]).score)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(triples=TRIPLES)
@pytest.mark.parametrize(
    ("key", "scorer"),
    [
        ("chrf", CHRF()),
        ("chrf:word_order=2", CHRF(word_order=2)),
        ("chrf:char_order=4,beta=1", CHRF(char_order=4, beta=1)),
        ("ter:script=latin", TER()),
        ("ter:script=asian", TER(normalized=True, asian_support=True)),
        ("bleu:tokenize=13a,smooth=floor", BLEU(smooth_method="floor", force=True)),
        (
            "bleu:tokenize=char,smooth=add-k,smooth_value=2",
            BLEU(tokenize="char", smooth_method="add-k", smooth_value=2),
        ),
        ("bleu:tokenize=zh,smooth=none", BLEU(tokenize="zh", smooth_method="none")),
        ("bleu:tokenize=intl,weights=1/1", BLEU(tokenize="intl", max_ngram_order=2, force=True)),
    ],
)
def test_the_file_equals_sacrebleu(key: str, scorer: Any, triples: list[tuple[str, str, str]]) -> None:
    named = read_metric(key)
    expected = min(theirs(scorer, triples), 100.0) if key.startswith("bleu") else theirs(scorer, triples)
    assert named.values(total_of(named, triples))[named.primary] == pytest.approx(expected, abs=1e-9)
    # Both signatures, part by part: ours has the number of rows and β beside theirs.
    own = dict(part.split(":") for part in named.signature({"count": len(triples)}).split("|")[1:])
    said = dict(part.split(":", 1) for part in str(scorer.get_signature()).split("|"))
    assert {part: own[part] for part in said if part != "nrefs"} == {k: v for k, v in said.items() if k != "nrefs"}


def test_vectors_of_sacrebleus_own_tests() -> None:
    # test/test_chrf.py and test/test_ter.py of sacrebleu 2.6.0
    row = {"completion": "Niemand hat die Absicht, eine Mauer zu errichten", "references": []}
    row["references"] = ["Niemand hat die Absicht, eine Mauer zu errichten"]
    assert read_metric("chrf").metric.values(read_metric("chrf").metric.sums(row) or {})["chrf"] == 100.0
    ter = read_metric("ter").metric
    assert ter.values(ter.sums({"completion": "a b c d e f", "references": ["b a c d e f"]}) or {})["ter"] == (
        pytest.approx(100 / 6)
    )  # one span moved


def test_weights_of_the_orders() -> None:
    row = {"completion": "the cat sat on a mat", "references": ["the cat sat on the mat"]}  # 5/6, 3/5, 2/4, 1/3

    def value(key: str) -> float:
        metric = read_metric(key).metric
        return float(metric.values(metric.sums(row) or {})["bleu"])

    assert value("bleu:weights=1") == pytest.approx(100 * 5 / 6)
    assert value("bleu:weights=0/1") == pytest.approx(100 * 3 / 5)
    assert value("bleu:weights=0.7/0.3") == pytest.approx(100 * math.exp(0.7 * math.log(5 / 6) + 0.3 * math.log(3 / 5)))
    assert value("bleu:weights=2/2/2/2") == pytest.approx(value("bleu"))
    assert "|weights:0.7/0.3|" in read_metric("bleu:weights=0.7/0.3").signature()


def test_a_short_perfect_row_scores_100_with_weights_too() -> None:
    metric = read_metric("bleu:weights=0.4/0.3/0.2/0.1").metric
    assert metric.row_values(metric.sums({"completion": "好", "references": ["好"]}) or {}) == {"bleu": 100.0}


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (
            "bleu:weights=a/b",
            r"expected 1 to 4 numbers of at least 0, at least one above 0, such as 0.5/0.5, got 'a/b'",
        ),
        ("bleu:weights=0/0", "at least one above 0"),
        ("bleu:weights=1/1/1/1/1", "expected 1 to 4 numbers"),
        ("bleu:smooth_value=1", "expected smooth=floor or smooth=add-k with it, got smooth=exp"),
        ("chrf:char_order=7", "chrf: char_order: expected at most 6, got 7"),
    ],
)
def test_options_that_make_no_sense_are_refused(key: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_metric(key)


def test_a_tokenizer_whose_package_is_missing_says_how_to_get_it() -> None:
    metric = read_metric("bleu:tokenize=ja-mecab").metric
    try:
        import MeCab  # noqa: F401
    except ImportError:
        with pytest.raises(UserError, match=r"bleu: tokenize=ja-mecab: .*\nhint: pip install 'sacrebleu\[ja\]'"):
            metric.sums({"completion": "a", "references": ["a"]})


@pytest.mark.parametrize("key", ["chrf", "ter", "bleu"])
def test_chinese_that_is_equal_is_perfect_and_other_is_not(key: str) -> None:
    named = read_metric(key)
    perfect = 0.0 if key == "ter" else 100.0
    for completion, is_equal in (("他说：“你好！”", True), ("她说：“再见！”", False)):
        sums = named.metric.sums({"completion": completion, "references": ["他说：“你好！”"]})
        found = named.row_values(sums or {})[named.primary]
        assert (found == pytest.approx(perfect)) == is_equal
        assert is_equal or found not in (0.0, 100.0)
