import pytest

from sft_cli.metrics.exact_match import normalize_answer
from sft_cli.metrics.protocol import read_metric


def value(name, completion, *references):
    named = read_metric(name)
    return named.row_values(named.metric.sums({"completion": completion, "references": list(references)}))[
        named.primary
    ]


@pytest.mark.parametrize(
    ("completion", "reference", "none", "space", "answer"),
    [
        ("Paris", "Paris", 1, 1, 1),
        (" Paris\n", "Paris", 0, 1, 1),
        ("１２３", "123", 0, 1, 1),
        ("paris", "Paris", 0, 0, 1),
        ("The Eiffel Tower.", "eiffel tower", 0, 0, 1),
        ("「北京」。", "北京", 0, 0, 1),
        ("A", "the", 0, 0, 0),  # SQuAD makes both empty, and equal
        ("...", "!!!", 0, 0, 0),  # likewise
        ("", "", 1, 1, 1),
        ("", "x", 0, 0, 0),
        ("北京", "南京", 0, 0, 0),
    ],
)
def test_exact_match(completion, reference, none, space, answer):
    assert value("exact-match:normalize=none", completion, reference) == none
    assert value("exact-match", completion, reference) == space
    assert value("exact-match:normalize=answer", completion, reference) == answer


def test_articles_go_only_before_latin_words():
    assert normalize_answer("The cat and a dog") == "cat and dog"
    assert normalize_answer("选 A") == "选 a"
    assert normalize_answer("Plan A") == "plan a"


@pytest.mark.parametrize(
    ("completion", "references", "expected"),
    [
        ("the cat sat", ["the cat"], 0.8),  # P 2/3, R 1
        ("cat cat", ["cat"], 2 / 3),  # clipped
        ("我爱北京", ["我爱南京"], 0.75),
        ("我用GPT-4写代码", ["我用GPT-4写代码"], 1.0),
        ("我用GPT-4写代码", ["他用GPT-4画图"], 6 / 13),  # 用 gpt 4 of 7 and 6 tokens
        ("Paris", ["Rome", "paris"], 1.0),
        ("", [""], 1.0),
        ("", ["x"], 0.0),
        ("x", [""], 0.0),
        ("👍", ["👎"], 0.0),
        ("👍", ["👍"], 1.0),
    ],
)
def test_token_f1(completion, references, expected):
    assert value("token-f1", completion, *references) == pytest.approx(expected)


def test_a_failed_row_is_wrong_even_if_the_reference_is_empty():
    for name in ("exact-match", "token-f1", "rouge-l"):
        named = read_metric(name)
        sums = named.metric.sums({"completion": None, "references": [""]})
        assert named.values(sums)[named.primary] == 0.0


def test_answer_stands_in_for_references_and_neither_means_not_scored():
    metric = read_metric("exact-match").metric
    assert metric.sums({"completion": "7", "answer": "7"}) == {"correct": 1, "count": 1}
    assert metric.sums({"completion": "7", "references": [], "answer": None}) is None
