"""SQuAD's and CMRC 2018's scores: values worked out by hand from the official scripts, and what sets them apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.metrics.cmrc import cmrc_f1, cmrc_normalize, cmrc_words, longest_common_span
from sft_cli.metrics.protocol import read_metric
from sft_cli.metrics.squad import squad_normalize


def values(key: str, completion: str | None, *references: str) -> dict[str, float]:
    metric = read_metric(key).metric
    return metric.values(metric.sums({"completion": completion, "references": list(references)}) or {})


@pytest.mark.parametrize(
    ("completion", "references", "exact", "f1"),
    [
        ("The Eiffel-Tower!", ["eiffeltower"], 1, 1),
        ("in 1976", ["1976"], 0, 2 / 3),
        ("the cat and the dog", ["a cat", "dog and cat"], 0, 1),  # bags: the order does not matter
        ("cat", ["dog", "cat sat"], 0, 2 / 3),
        ("我爱你。", ["我爱你"], 0, 0),  # Chinese marks stay, and a sentence is one word
        ("１９７６", ["1976"], 0, 0),  # full-width digits are not ASCII
        ("", ["1976"], 0, 0),
    ],
)
def test_squad(completion: str, references: list[str], exact: int, f1: float) -> None:
    assert values("squad", completion, *references) == pytest.approx({"squad.em": exact, "squad.f1": f1})


def test_the_two_scripts_differ_where_nothing_is_left() -> None:
    assert values("squad", "The", "") == {"squad.em": 1.0, "squad.f1": 0.0}
    assert values("squad:version=2.0", "The", "") == {"squad.em": 1.0, "squad.f1": 1.0}
    assert values("squad", "", "a", "cat") == {"squad.em": 1.0, "squad.f1": 0.0}
    assert values("squad:version=2.0", "", "a", "cat") == {"squad.em": 0.0, "squad.f1": 0.0}  # "a" is left out
    assert squad_normalize("An apple, a pear & THE end") == "apple pear end"


@pytest.mark.parametrize(
    ("completion", "reference", "f1"),
    [
        ("北京天安门", "北京天安门", 1.0),
        ("在北京天安门前", "北京天安门", 2 * (5 / 7) * 1 / (5 / 7 + 1)),
        ("天安门在北京", "北京天安门", 2 * (3 / 6) * (3 / 5) / (3 / 6 + 3 / 5)),  # the span, not the bag
        ("共有12,345人。", "12,345", 2 * (1 / 4) * 1 / (1 / 4 + 1)),  # the ASCII comma stays
        ("GPT-4模型", "gpt4模型", 1.0),  # the hyphen goes
        ("上海", "北京", 0.0),
        ("", "北京", 0.0),
    ],
)
def test_cmrc(completion: str, reference: str, f1: float) -> None:
    assert cmrc_f1(completion, reference) == pytest.approx(f1)


def test_cmrc_takes_the_best_reference_and_forgives_the_scripts_punctuation() -> None:
    assert values("cmrc", "《红楼梦》", "三国", "红楼梦") == {"cmrc.em": 1.0, "cmrc.f1": 1.0}
    assert values("cmrc", "红楼梦!", "红楼梦")["cmrc.em"] == 0.0  # an ASCII mark
    assert cmrc_normalize(" 《A》-B· ") == "ab"
    assert cmrc_normalize("好……") == "好……"  # the script looks for `……` among single characters, and never finds it
    assert cmrc_words("我有 two cats, 三只") == ("我", "有", "two", "cats", ",", "三", "只")


@given(st.lists(st.sampled_from("ab"), max_size=8), st.lists(st.sampled_from("ab"), max_size=8))
def test_longest_common_span(left: list[str], right: list[str]) -> None:
    spans = {tuple(left[i:j]) for i in range(len(left)) for j in range(i, len(left) + 1)}
    found = [len(span) for span in spans if any(tuple(right[k : k + len(span)]) == span for k in range(len(right) + 1))]
    assert longest_common_span(tuple(left), tuple(right)) == max(found, default=0)


@pytest.mark.parametrize("key", ["squad", "cmrc"])
def test_a_failed_row_is_wrong_and_one_without_references_is_left_out(key: str) -> None:
    assert set(values(key, None, "a").values()) == {0.0}
    assert read_metric(key).metric.sums({"completion": "a", "references": []}) is None
