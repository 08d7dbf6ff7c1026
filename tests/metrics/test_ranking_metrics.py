"""Recall at k, MRR and nDCG: equal to trec_eval, which ids count as found, and which rows are left out."""

from __future__ import annotations

from typing import Any

import ir_measures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sft_cli.metrics.protocol import needs_completions, read_metric
from sft_cli.metrics.ranking import gold_of, ranked_gains
from sft_cli.run.errors import FieldError
from sft_cli.run.registry import spelled

NAMES = [f"d{number}" for number in range(12)] + ["文档", "C#", "a#b"]
RANKINGS = st.lists(st.sampled_from(NAMES), unique=True)
GRADES = st.dictionaries(st.sampled_from(NAMES), st.integers(-1, 4), min_size=1)
PAIRS = {
    "recall-at-k": ir_measures.R @ 100,
    "recall-at-k:k=1": ir_measures.R @ 1,
    "recall-at-k:k=3": ir_measures.R @ 3,
    "mrr": ir_measures.RR,
    "mrr:k=3": ir_measures.RR @ 3,
    "ndcg": ir_measures.nDCG @ 10,
    "ndcg:k=3": ir_measures.nDCG @ 3,
    "ndcg:k=none": ir_measures.nDCG,
}


def row(names: list[Any], gold: Any) -> dict[str, Any]:
    return {"id": "q", "context": [{"id": name, "text": "…"} for name in names], "gold": gold}


def value(metric: str, names: list[Any], gold: Any) -> float:
    named = read_metric(metric)
    sums = named.metric.sums(row(names, gold))
    assert sums is not None
    return float(named.values(sums)[named.primary])


@settings(max_examples=50)
@given(st.lists(st.tuples(RANKINGS, GRADES), min_size=1, max_size=6))
def test_they_equal_trec_eval(rows: list[tuple[list[str], dict[str, int]]]) -> None:
    rows = [pair for pair in rows if max(pair[1].values()) > 0]  # trec_eval counts the others as 0
    qrels = {str(place): grades for place, (_, grades) in enumerate(rows)}
    # Scores without ties: trec_eval would put equal scores in the order of their ids.
    run = {str(place): {name: -float(rank) for rank, name in enumerate(names)} for place, (names, _) in enumerate(rows)}
    means, each = ir_measures.calc(list(PAIRS.values()), qrels, run)
    theirs = {(entry.measure, int(entry.query_id)): entry.value for entry in each}
    for metric, measure in PAIRS.items():
        named, total = read_metric(metric), {"count": 0.0, read_metric(metric).metric.primary: 0.0}
        for place, (names, grades) in enumerate(rows):
            assert value(metric, names, grades) == pytest.approx(theirs[measure, place], abs=1e-9)
            sums = named.metric.sums(row(names, grades)) or {}
            total = {key: total[key] + sums[key] for key in total}
        if rows:
            assert named.values(total)[named.primary] == pytest.approx(means[measure], abs=1e-9)


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.integers(1, 3)), unique=True),
    GRADES.filter(lambda grades: max(grades.values()) > 0),
    st.sampled_from(list(PAIRS)),
)
def test_passages_score_as_the_documents_that_they_are_cut_from(
    passages: list[tuple[str, int]], grades: dict[str, int], metric: str
) -> None:
    documents = list(dict.fromkeys(name for name, _ in passages))
    cut = [f"{name}#{number}" for name, number in passages]
    assert value(metric, cut, grades) == value(metric, documents, grades)


@given(
    st.lists(st.sampled_from([f"{name}#{number}" for name in "ab文" for number in (1, 2)] + ["c", "d"])),
    st.dictionaries(st.sampled_from(["a", "b#1", "b#2", "文#2", "c", "d", "e"]), st.integers(0, 3), min_size=1),
    st.sampled_from(list(PAIRS)),
)
def test_no_ranking_is_better_than_all_gold_ids_by_their_grades(
    names: list[str], grades: dict[str, int], metric: str
) -> None:
    if max(grades.values()) == 0:
        return
    best = sorted(grades, key=lambda name: -grades[name])
    assert 0 <= value(metric, names, grades) <= value(metric, best, grades) <= 1 + 1e-12
    assert value("ndcg", best, grades) == pytest.approx(1)


@pytest.mark.parametrize(
    ("names", "gold", "gains"),
    [
        (["d7", "d1"], ["d7"], [1, 0]),
        (["d1#2", "d7#4", "d7#1"], ["d7"], [0, 1]),  # documents: the second passage of d7 has no rank
        (["d1#2", "d1#1", "d7#1"], ["d7"], [0, 1]),  # …nor has that of a document that is not relevant
        (["d7#1", "d7#2"], ["d7#2"], [0, 1]),  # a gold passage is matched exactly, and passages have ranks
        (["d7#1", "d7#12"], ["d7#1"], [1, 0]),
        (["d7"], ["d7#1"], [0]),
        (["d9#1", "d7#1", "d9#2"], {"d7#1": 2, "d9": 1}, [1, 2, 0]),  # a gold document beside passages: at its first
        (["d7#1", "d7#2"], {"d7#2": 1, "d1#1": 0}, [0, 1]),
        (["d7#1", "d7#2", "d1"], {"d7": 1, "d1#1": 0}, [1, 0, 0]),  # an id with grade 0 is also read
        (["d7", "d7", "d1"], ["d1"], [0, 1]),  # an id that is ranked twice has its first rank
        (["d7#1", "d7#1", "d1#1"], ["d1#1"], [0, 1]),
        (["a#1#2", "a#1#1"], ["a#1"], [1, 0]),  # the document a#1, cut into passages
        (["C#", "C"], ["C#"], [1, 0]),  # no number: not a passage
        (["文档#2", "文档#1"], {"文档": 3}, [3]),
        ([7, "8#1"], {"7": 2, "8": 1}, [2, 1]),
        (["7"], [7], [1]),
        (["d7", "d1"], {"d7": -2, "d1": 0.5}, [0, 0.5]),
    ],
)
def test_which_ids_are_found(names: list[Any], gold: Any, gains: list[float]) -> None:
    assert ranked_gains([str(name) for name in names], gold_of({"gold": gold}) or {}) == gains
    first = next((place for place, gain in enumerate(gains, 1) if gain), 0)
    assert value("mrr", names, gold) == (1 / first if first else 0)


@pytest.mark.parametrize("metric", PAIRS)
def test_rows_without_gold_or_with_nothing_relevant_are_left_out(metric: str) -> None:
    named = read_metric(metric)
    assert named.metric.sums({"id": "q", "context": "of any form"}) is None
    assert named.metric.sums(row(["d1"], None)) is None
    for nothing in ([], {}, {"d1": 0, "d2": -1}):
        assert named.metric.sums(row(["d1"], nothing)) == {"count": 0, "nothing_relevant": 1}
    assert value(metric, [], ["d1"]) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gold": "d7"}, 'gold: expected a list of ids, or an object of ids and grades, got "d7"'),
        ({"gold": ["d7", None]}, "gold[1]: expected an id, got null"),
        ({"gold": [True]}, "gold[0]: expected an id, got true"),
        ({"gold": {"d7": "2"}}, 'gold.d7: expected a grade, a number up to 1e+100, got "2"'),
        ({"gold": {"文": True}}, "gold.文: expected a grade, a number up to 1e+100, got true"),
        ({"gold": {"d7": float("nan")}}, "gold.d7: expected a grade"),
        ({"gold": {"d7": 10**400}}, "gold.d7: expected a grade"),
        ({"gold": ["d7", "d7#1"]}, 'gold: expected a document or its passages, not both, got "d7" and "d7#1"'),
        ({"context": None}, "context: expected a ranking, which is a list of objects with an id, got null"),
        ({"context": "a text"}, "context: expected a ranking"),
        ({"context": [{"id": "d1"}, "a text"]}, 'context[1]: expected an object with an id, got "a text"'),
        ({"context": [{"text": "…"}]}, "context[0].id: expected an id, got null"),
        ({"context": [{"id": ""}]}, 'context[0].id: expected an id, got ""'),
    ],
)
def test_other_forms_are_refused_by_field(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        read_metric("mrr").metric.sums({**row(["d1"], ["d1"]), **changes})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("metric", "names", "gold", "is_short"),
    [
        ("recall-at-k:k=3", ["d1", "d2"], ["d1", "d3"], True),
        ("recall-at-k:k=3", ["d1", "d2"], ["d1"], False),  # more could not raise it
        ("recall-at-k:k=2", ["d1", "d2"], ["d3"], False),
        ("recall-at-k:k=2", ["d1#1", "d1#2"], ["d3"], True),  # two passages, one document
        ("recall-at-k", [], ["d3"], True),
        ("recall-at-k:k=none", [], ["d3"], False),
        ("mrr:k=3", ["d2", "d1"], ["d1", "d3"], False),
        ("mrr:k=3", ["d2", "d4"], ["d1", "d3"], True),
        ("ndcg", ["d1"], {"d1": 3, "d2": 1}, True),
    ],
)
def test_a_ranking_that_is_too_short_for_k_is_counted(metric: str, names: list[str], gold: Any, is_short: bool) -> None:
    sums = read_metric(metric).metric.sums(row(names, gold)) or {}
    assert sums.get("short_ranking", 0) == is_short


def test_signatures_name_what_two_numbers_must_share() -> None:
    assert read_metric("ndcg@5").signature({"count": 3}) == "ndcg|n:3|k:5|gain:linear|discount:log2|v:0.1.0"
    assert read_metric("mrr").signature() == "mrr|k:none|v:0.1.0"
    assert read_metric("recall@10").primary == "recall_at_k:k=10"
    assert not needs_completions([read_metric("mrr"), read_metric("ndcg")])
    assert needs_completions([read_metric("mrr"), read_metric("groundedness")])


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("NDCG@10", "ndcg:k=10"),
        ("recall@10:0.02", "recall-at-k:k=10:0.02"),
        ("Recall_At_K@3", "recall-at-k:k=3"),
        ("recall", "recall"),  # of a classifier, or of ROUGE: not the recall of a ranking
        ("map@10", "map@10"),
    ],
)
def test_a_rank_after_the_name_is_the_option(typed: str, meant: str) -> None:
    assert spelled(typed, ["recall-at-k", "ndcg", "rouge-l"]) == meant
