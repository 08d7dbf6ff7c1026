"""METEOR through nltk: published values, and what it does without WordNet."""

from __future__ import annotations

from pathlib import Path

import pytest

from sft_cli.metrics.protocol import read_metric
from sft_cli.run.errors import UserError


def value(completion: str, *references: str) -> float:
    metric = read_metric("meteor-nltk").metric
    return float(
        metric.values(metric.sums({"completion": completion, "references": list(references)}) or {})["meteor_nltk"]
    )


def test_published_values() -> None:
    # nltk's documentation of single_meteor_score, and the example of Wikipedia's article on METEOR.
    first = "It is a guide to action which ensures that the military always obeys the commands of the party"
    second = "It is a guide to action that ensures that the military will forever heed Party commands"
    assert value(first, second) == pytest.approx(0.6944, abs=5e-5)
    assert value("the cat was sat on the mat", "the cat sat on the mat") == pytest.approx(0.9654, abs=5e-5)
    assert value("non matching hypothesis", "this is a cat") == 0.0


def test_equal_texts_have_a_little_less_than_one_and_other_ones_less() -> None:
    assert value("the cat sat on the mat", "the cat sat on the mat") == pytest.approx(1 - 0.5 / 6**3)
    assert value("我爱北京天安门", "我爱北京天安门") == pytest.approx(1 - 0.5 / 7**3)
    assert value("我爱北京", "我爱北京天安门") < value("我爱北京天安门", "我爱北京天安门")


def test_stems_match_and_the_best_reference_counts() -> None:
    assert value("running dogs", "run dog") == value("run dog", "run dog")
    assert value("a b c", "x y z", "a b c") == value("a b c", "a b c")


def test_a_folder_without_wordnet_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NLTK_DATA", "")  # set again by the metric, put back after the test
    metric = read_metric(f"meteor-nltk:wordnet={tmp_path}").metric
    with pytest.raises(
        UserError, match=r"expected nltk data with corpora/wordnet in it, found none\nhint: python -m nltk"
    ):
        metric.sums({"completion": "a", "references": ["a"]})


def test_the_signature_names_stages_and_version() -> None:
    assert "|match:exact+stem|alpha:0.9|beta:3|gamma:0.5|ref:max|version:" in read_metric("meteor-nltk").signature()
    assert "|match:exact+stem+wordnet|" in read_metric("meteor-nltk:wordnet=X").signature()
