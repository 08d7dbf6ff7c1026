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
        ("102", "10²", 0, 0, 0),  # NFKC would make them equal, and all of the following
        ("23 m", "2³ m", 0, 0, 0),
        ("H20", "H₂0", 0, 0, 0),
        ("3", "③", 0, 0, 0),
        ("1⁄2", "½", 0, 0, 0),
        ("5 kg", "5 ㎏", 0, 0, 0),
        ("TM", "™", 0, 0, 0),
        ("ﬁx", "fix", 0, 0, 0),
        ("IV", "Ⅳ", 0, 0, 0),
        ("x² + 1", "x²\u3000＋ 1", 0, 1, 1),
        ("ｶﾞ", "ガ", 0, 1, 1),  # half width
        ("caf\u00e9", "cafe\u0301", 0, 1, 1),  # one character, written in two ways
        ("\u22125", "-5", 0, 0, 1),
    ],
)
def test_exact_match(completion, reference, none, space, answer):
    assert value("exact-match:normalize=none", completion, reference) == none
    assert value("exact-match", completion, reference) == space
    assert value("exact-match:normalize=answer", completion, reference) == answer


def test_values_keep_the_sign_however_it_is_written():
    metric = "exact-match:normalize=value"
    assert value(metric, "\u22125", "-5") == value(metric, "\uff0d５", "-5.0") == 1
    assert value(metric, "\u22125", "5") == value(metric, "10²", "102") == 0


def test_values_keep_what_makes_another_formula_of_them():
    different = ["x+1", "x-1", "x*1", "x^1", "x1", "C", "C++", "C#", "A", "A+", "A-", "<5", ">5", "5", "5-3", "5+3"]
    for one in different:
        for other in different:
            assert value("exact-match:normalize=value", one, other) == (one == other), (one, other)
    for one, other in (("**5**.", "5"), ("$5", "5"), ("(b)", "B"), ("The C++!", "c++"), ("yes -", "Yes"), ("'5'", "5")):
        assert value("exact-match:normalize=value", one, other) == 1, (one, other)


def test_overlap_of_tokens_knows_no_superscripts_either():
    assert value("token-f1", "102", "10²") == value("rouge-1", "102", "10²") == 0
    assert value("token-f1:tokenizer=char", "1", "①") == 0
    assert value("token-f1", "１０²", "10²") == 1


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
