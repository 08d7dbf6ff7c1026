import json
import math

import pytest
from asked_metrics import asked_metric
from hypothesis import given, settings
from hypothesis import strategies as st

from sft_cli.metrics import METRICS
from sft_cli.metrics.protocol import read_metric
from sft_cli.run.errors import UserError
from sft_cli.scoring.totals import Totals

TEXTS = st.one_of(
    st.sampled_from(["yes", "no", "No.", "", '{"a": 1}', "我用GPT-4写代码", "the cat sat on the mat the cat sat"]),
    st.text(max_size=12),
)
ROWS = st.fixed_dictionaries(
    {
        "completion": st.one_of(st.none(), TEXTS),
        "task": st.sampled_from([None, "rte", "CoLA", "multirc", "stsb", "MNLI-mismatched", "cb", "record"]),
        "answer_index": st.sampled_from([None, 0, 1]),
        "references": st.lists(TEXTS, max_size=2),
        "choices": st.sampled_from([None, ["yes", "no"]]),
        "reference_logprobs": st.lists(
            st.fixed_dictionaries({"sum": st.floats(-50, 0), "tokens": st.integers(0, 9), "bytes": st.integers(1, 30)}),
            max_size=2,
        ),
        "completion_logprob": st.one_of(
            st.none(), st.fixed_dictionaries({"sum": st.floats(-50, 0), "tokens": st.integers(0, 9)})
        ),
        "context": st.lists(st.sampled_from(["d1", "d2#1", "d2#2", "d3"]), unique=True).map(
            lambda names: [{"id": name, "text": "the cat sat"} for name in names]
        ),
        "verification": st.one_of(
            st.none(),
            st.builds(
                lambda counts, abstained: {
                    "claims": sum(counts),
                    **dict(zip(("supported", "contradicted", "not_stated", "disputed"), counts, strict=True)),
                    "kinds": {"citation": 1, "logical": 0},
                    "abstained": abstained,
                },
                st.lists(st.integers(0, 3), min_size=4, max_size=4),
                st.booleans(),
            ),
        ),
        "gold": st.one_of(
            st.none(),
            st.lists(st.sampled_from(["d1", "d2", "d4"]), unique=True),
            st.dictionaries(st.sampled_from(["d1", "d2#2", "d4"]), st.integers(-1, 3)),
        ),
    }
)


def sums_of(metric, row):
    """The row's sums; for a metric of samples those of the row and a second sample of it."""
    return metric.sample_sums([row, {**row, "completion": "yes"}]) if metric.of_samples else metric.sums(row)


def surveyed(name, rows):
    """The metric, which has seen the rows if it depends on all of them."""
    named = asked_metric(name)
    for row in rows if named.metric.of_file else ():
        named.metric.survey(row)
    return named


def totals_of(named, rows):
    totals = Totals()
    for row in rows:
        totals.add(sums_of(named.metric, row))
    return totals


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=25, deadline=None)
@given(rows=st.lists(ROWS, max_size=8), cut=st.integers(0, 8))
def test_sums_add_over_any_split_of_the_rows(name, rows, cut):
    rows = [{**row, "id": f"r{place}"} for place, row in enumerate(rows)]
    named = surveyed(name, rows)
    whole = totals_of(named, rows)
    parts = totals_of(named, rows[:cut])
    rest = totals_of(named, rows[cut:])
    parts.merge(rest)
    assert parts.missing == whole.missing
    assert parts.count == whole.count
    ours, theirs = parts.summary(named, None)["values"], whole.summary(named, None)["values"]
    assert ours == pytest.approx(theirs)
    json.dumps(whole.summary(named, None), allow_nan=False)


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=40, deadline=None)
@given(row=ROWS)
def test_promises_of_every_metric(name, row):
    row["id"] = "r"
    named = surveyed(name, [row])
    sums = sums_of(named.metric, row)
    assert named.primary == named.metric.primary + named.suffix
    if sums is None:
        return
    assert sums["count"] in (0, 1)
    values = named.row_values(sums)
    if sums["count"]:
        # A completion without claims has no share of them; one row has no correlation.
        has_claims = {
            "groundedness": sums.get("all_tokens"),
            "supported-claims": sums.get("claims"),
            **dict.fromkeys(("correlation", "glue", "superglue"), 0),
        }.get(name, 1)
        assert named.primary in values or not has_claims
        # A row has the sums of its task of a benchmark only.
        assert set(named.metric.primary_sums) <= set(sums) or name in ("glue", "superglue")
        assert named.primary in named.values({key: sums.get(key, 0) for key in named.metric.primary_sums})
        for value_name, value in values.items():
            tops = {"bleu": 100.0, "chrf": 100.0, "diversity.self_bleu": 100.0} | dict.fromkeys(
                ("ter", "perplexity", "perplexity.bits_per_byte", "entropy", "entropy.per_completion"), math.inf
            )
            top = tops.get(value_name, 1.0)
            assert 0 <= value <= top + 1e-9
    assert named.signature({"count": 3}).startswith(f"{name}|n:3")


@pytest.mark.parametrize("name", METRICS)
def test_statistic_agrees_with_values(name):
    import numpy

    rows = [
        {"completion": "the cat sat on the mat", "references": ["a cat sat on the mat"]},
        {"completion": '{"a": 1, "b": 1, "c": 1}', "references": ["no", '{"a": 1}']},
    ]
    for place, row in enumerate(rows):
        row["id"] = f"r{place}"
        row["reference_logprobs"] = [{"sum": -3.5, "tokens": 4, "bytes": 8}]
        row["completion_logprob"] = {"sum": -0.5, "tokens": 3}
        row["choice_logprobs"] = [{"sum": -len(row["completion"]), "tokens": 1, "characters": 2, "bytes": 2}]
        row |= {"choices": ["no"], "answer_index": 0}
        row["harness"] = {"acc": 1.0}
        row |= {"gold": ["d1", "d2"], "context": [{"id": name, "text": name} for name in row["completion"].split()]}
        row["context"].append({"id": "d1", "text": "a cat"})
        if name.startswith("judge"):
            row |= {"completion": "[[7]]", "judge": {"kind": name.removeprefix("judge-"), "first": "base"}}
        row["task"] = {"glue": "rte", "superglue": "boolq"}.get(name)
        if name == "correlation":
            row |= {"completion": str(place), "references": [str(place + 1)]}
        elif name in ("glue", "superglue"):
            row |= {"choices": ["yes", "no"], "choice_logprobs": [row["choice_logprobs"][0]] * 2}
    named = surveyed(name, rows)
    each = [totals_of(named, [row]).sums for row in rows] + [totals_of(named, rows).sums]
    for value in named.values(each[2]):
        names = list(dict.fromkeys(key for sums in each for key in sums))
        matrix = numpy.array([[sums.get(key, 0) for key in names] for sums in each] + [[0.0] * len(names)])
        found = named.statistic(names, value)(matrix)
        assert found[2] == pytest.approx(named.values(each[2])[value], nan_ok=True)
        assert numpy.isnan(found[3])


def test_names_carry_the_options():
    named = read_metric("rouge-l:beta=1.20,tokenizer=char")
    assert named.key == "rouge-l:beta=1.2,tokenizer=char"
    assert named.primary == "rouge_l.f:beta=1.2,tokenizer=char"
    assert named.signature({"count": 7}) == "rouge-l|n:7|tok:char|beta:1.2|ref:max|v:0.1.0"
    assert read_metric("rouge-l", tokenizer="char").key == "rouge-l"
    assert read_metric("rouge-l:tokenizer=mixed", tokenizer="char").metric.tokenizer == "mixed"
    assert read_metric("bleu", tokenizer="char").metric.tokenize == "auto"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rogue-l", "unknown metric 'rogue-l'. Did you mean 'rouge-l'?"),
        ("rouge-l:bta=1", "unknown option 'bta' of rouge-l. Did you mean 'beta'? Known: tokenizer, beta, references"),
        ("rouge-l:beta", "expected beta=VALUE"),
        ("rouge-l:beta=x", "beta: expected a number, got 'x'"),
        ("rouge-l:beta=-1", "beta: expected more than 0, got '-1'"),
        ("repetition:n=1.5", "n: expected a whole number, got '1.5'"),
        (
            "bleu:tokenize=chr",
            "flores101, flores200, got 'chr'. Did you mean 'char'?",
        ),
        ("cmrc:n=3", "unknown option 'n' of cmrc. It has no options."),
    ],
)
def test_bad_metric_names_the_problem(text, message):
    with pytest.raises(UserError) as caught:
        read_metric(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("rouge-l:beta=1.2:tokenizer=char", "join options with a comma, not a colon: …beta=1.2,tokenizer=char"),
        ("exact-match:extract=json:a:normalize=value", "not a colon: …extract=json:a,normalize=value"),
        ("accuracy:labels=a/b:extract=line", "not a colon: …labels=a/b,extract=line"),
        ("rouge-s:gap=4:none", "gap: expected a number or none, got '4:none'\nhint: join options with a comma"),
        ("rouge-l:references=max:char", "got 'max:char'.\nhint: join options with a comma"),
    ],
)
def test_options_that_a_colon_joins_are_told_of_the_comma(text, cure):
    with pytest.raises(UserError) as caught:
        read_metric(text)
    assert cure in str(caught.value)


def test_a_colon_within_a_value_stays():
    assert read_metric("accuracy:labels=a:b/c").metric.labels == "a:b/c"
    assert read_metric("exact-match:extract=json:a.b,normalize=value").metric.extract == "json:a.b"
