"""What the model answered: predictions, thoughts, and the rules that read an answer out of a text."""

import json

import pytest
from asked_metrics import asked_metric

from sft_cli.metrics import METRICS
from sft_cli.metrics.answers import THINK, CheckedGeneration, Marks, answer_of, read_marks, said, without_thoughts
from sft_cli.metrics.protocol import read_metric
from sft_cli.run.errors import FieldError, UserError
from sft_cli.scoring.generations import check_generation


def sums(metric, completion, references, **row):
    return read_metric(metric).sums({"completion": completion, "references": references, **row})


def is_right(metric, completion, reference, **row):
    found = sums(metric, completion, [reference], **row)
    return found.get("correct", found.get("exact", found.get("f"))) == 1


READ_ANSWERS = ["exact-match", "accuracy", "token-f1", "squad", "cmrc", "rouge-l"]


@pytest.mark.parametrize("metric", READ_ANSWERS)
def test_a_prediction_is_the_answer_where_the_row_has_one(metric):
    assert is_right(metric, "I think it is Rome.", "Rome", prediction="Rome")
    assert not is_right(metric, "Rome", "Rome", prediction="Oslo")
    assert not is_right(metric, "Rome", "Rome", prediction=None)  # nothing was read, so there is no falling back
    assert sums(metric, "Rome", ["Rome"], prediction=None)["no_answer"] == 1


@pytest.mark.parametrize("metric", [*READ_ANSWERS, "bleu", "chrf", "meteor-nltk"])
def test_a_null_prediction_is_no_empty_answer(metric):
    row = {"completion": "Rome", "references": ["Rome"], "prediction": None}
    named = read_metric(metric)
    assert named.values(named.sums(row))[named.primary] == 0
    assert not sums("squad:version=2.0", "x", [""], prediction=None)["exact"]  # where "" would be right


def test_a_rule_of_the_metric_reads_the_completion():
    row = {"prediction": "7"}
    assert is_right("exact-match:extract=number", "3 + 5 = 8", "8", **row)
    assert is_right("exact-match:extract=none", "8", "8", **row)
    assert not is_right("exact-match", "8", "8", **row)


def test_the_signature_tells_that_predictions_were_read():
    for name, told in (("exact-match", "answer:prediction|"), ("exact-match:extract=number", ""), ("repetition", "")):
        named = read_metric(name)
        found = named.sums({"completion": "one two three four five", "references": ["8"], "prediction": "8"})
        assert ("answer:" in named.signature(found)) == bool(told)
        assert told in named.signature(found, of_file=False)
    named = read_metric("squad")
    assert "answer:" not in named.signature(named.sums({"completion": "8", "references": ["8"]}))
    assert "|answer:mixed|" in named.signature({"count": 2, "predicted": 1})


def test_consistency_compares_the_predictions_of_samples():
    rows = [{"completion": text, "prediction": answer} for text, answer in (("a", "7"), ("b", "7.0"), ("c", None))]
    found = read_metric("consistency").sample_sums(rows)
    assert (found["majority"], found["no_answer"], found["predicted"]) == (pytest.approx(2 / 3), 1, 1)


def test_a_prediction_is_text_a_number_or_null():
    assert check_generation({"id": "a", "completion": "x", "prediction": 7})["prediction"] == "7"
    assert "prediction" not in check_generation({"id": "a", "completion": "x"})
    with pytest.raises(FieldError, match="prediction: expected text or a number, got"):
        check_generation({"id": "a", "completion": "x", "prediction": ["7"]})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no", "no"),
        ("<think>yes?</think>\n\nno", "no"),
        ("yes? Let me see.\n</think>\nno", "no"),  # the chat template wrote the first mark
        ("<think>a</think> yes <think>b</think> no", "no"),
        ("<think>It is yes, since", None),  # cut while it thought: the answer never came
        ("<think>a</think> yes <think>or", None),
        ("<think>a</think>", ""),
        ("", ""),
    ],
)
def test_what_is_thought_is_not_said(text, expected):
    assert without_thoughts(text) == expected
    assert said({"completion": text}) == expected
    assert check_generation({"id": "a", "completion": text}).said == expected


def test_marks_are_those_that_are_named():
    marks = read_marks("[THINK]…[/THINK]")
    assert marks == read_marks("[THINK]...[/THINK]") == Marks("[THINK]", "[/THINK]")
    assert without_thoughts("[THINK]yes[/THINK]no", marks) == "no"
    assert without_thoughts("<think>yes</think>no", marks) == "<think>yes</think>no"
    assert read_marks(str(THINK)) == THINK
    assert read_marks("none") is None
    assert without_thoughts("<think>yes", None) == "<think>yes"
    for wrong in ("think", "...", "<think>...", ""):
        with pytest.raises(UserError, match=r"--reasoning: expected START\.\.\.END, the two marks around a thought"):
            read_marks(wrong)


def test_the_signature_tells_of_other_marks():
    from dataclasses import replace

    other = replace(read_metric("squad"), reasoning="none")
    assert other.signature() == f"squad|reasoning:none|{read_metric('squad').signature().partition('|')[2]}"
    assert "reasoning" not in replace(read_metric("repetition"), reasoning="none").signature()


THOUGHT = "<think>Was it Oslo, Oslo, Oslo, Oslo?</think>\n"


@pytest.mark.parametrize("name", sorted(METRICS))
def test_every_metric_says_whether_it_reads_thoughts(name):
    metric = asked_metric(name).metric
    answer = {"id": "a", "references": ["Rome"], "choices": ["Rome", "Oslo"], "gold": ["d1"]}
    answer |= {"context": [{"id": "d1", "text": "It was in Rome."}]}
    answer |= {"instruction_id_list": ["detectable_content:number_placeholders"], "kwargs": [{"num_placeholders": 1}]}
    answer |= {"references": ["7"]} if name == "correlation" else {}
    answer |= {"references": ['{"name": "rome", "arguments": {}}']} if name == "tool-calls" else {}
    answer |= {"task": "rte" if name == "glue" else "boolq", "answer_index": 0}
    answer["completion_logprob"] = {"sum": -1.0, "tokens": 2}
    answer |= {"judge": {"kind": "rating"}} if name == "judge-rating" else {}
    answer |= {"judge": {"kind": "pairwise", "pair": "p", "first": "base"}} if name == "judge-pairwise" else {}
    text = '{"rome": "Rome [x] [[7]] [[A]]"}'
    plain, thought = (check_generation({**answer, "completion": before + text}) for before in ("", THOUGHT))
    for row in (plain, thought) if metric.of_file else ():
        metric.survey(row)
    asked = metric.sample_sums if metric.of_samples else metric.sums
    found = [asked([row, row]) if metric.of_samples else asked(row) for row in (plain, thought)]
    if metric.reads != "all":
        assert found[0] is not None
        assert found[0] == found[1]
    elif name in ("repetition", "diversity"):
        assert found[0] != found[1]


def test_an_answer_that_never_came_is_wrong_but_did_not_fail():
    row = check_generation({"id": "a", "completion": "<think>Rome", "references": [""], "answer": ""})
    assert row["completion"] is not None
    for name in ("exact-match", "squad:version=2.0", "accuracy"):
        named = read_metric(name)
        assert named.values(named.sums(row))[named.primary] == 0, name


def test_a_field_of_json_is_an_answer():
    answer = {"completion": 'Sure: {"answer": {"city": "Rome"}, "sure": true, "year": 7}', "prediction": "Oslo"}
    assert answer_of(answer, "json:answer.city") == "Rome"
    assert answer_of(answer, "json:sure") == "true"
    assert answer_of(answer, "json:year") == "7"
    assert answer_of(answer, "json:answer.street") is None
    assert answer_of({"completion": "Rome"}, "json:answer") is None
    for name in ("exact-match", "accuracy", "token-f1"):
        assert is_right(f"{name}:extract=json:answer.city", answer["completion"], "Rome")
        assert is_right(f"{name}:extract=json:a", '{"a": "Rome"}', '{"a": "Rome", "why": "it is"}')  # in both
        found = sums(f"{name}:extract=json:answer.city", "Rome", ["Rome"])
        assert found["no_answer"] == 1
        assert "|extract:json:city" in read_metric(f"{name}:extract=json:city").signature()
    label = "accuracy:extract=json:label"
    assert sums(label, '{"label": "no", "why": "yes men"}', ["no"], choices=["yes", "no"])["correct"] == 1


@pytest.mark.parametrize("name", ["exact-match", "accuracy", "token-f1", "consistency"])
def test_an_unknown_rule_is_told(name):
    known = r"auto, none, number, line, boxed, marked, json:FIELD"
    for wrong in ("json", "json:", "nmber", "regex:x"):
        with pytest.raises(UserError, match=f"extract: expected one of {known}, got '{wrong}'"):
            read_metric(f"{name}:extract={wrong}")


def test_a_generation_is_a_row():
    assert json.loads(json.dumps(CheckedGeneration({"id": "a"}, "x"))) == {"id": "a"}
