"""The official measures of GLUE and SuperGLUE, beside scikit-learn and scipy."""

import random

import numpy
import pytest
from asked_metrics import asked_metric

from sft_cli.metrics.glue.tasks import GLUE, SUPERGLUE
from sft_cli.scoring.totals import Totals


def scored(rows, name="glue"):
    named = asked_metric(name)
    rows = [{"id": f"r{place}", "completion": "", **row} for place, row in enumerate(rows)]
    for row in rows:
        named.metric.survey(row)
    totals = Totals()
    for row in rows:
        totals.add(named.metric.sums(row))
    values = {key.partition(":")[0].partition(".")[2]: value for key, value in totals.values(named).items()}
    return values, totals.summary(named, None)


def choice_row(task, gold, read, classes=2, **fields):
    entries = [{"sum": -1.0 if place == read else -2.0, "tokens": 1} for place in range(classes)]
    names = [f"c{place}" for place in range(classes)]
    return {"task": task, "choices": names, "answer_index": gold, "choice_logprobs": entries, **fields}


def drawn(task, classes, count=60, seed=0):
    generator = random.Random(f"{task}{seed}")
    gold = [generator.randrange(classes) for _ in range(count)]
    read = [each if generator.random() < 0.7 else generator.randrange(classes) for each in gold]
    return gold, read, [choice_row(task, *pair, classes) for pair in zip(gold, read, strict=True)]


@pytest.mark.parametrize("seed", range(5))
def test_classes_equal_scikit_learn(seed):
    metrics = pytest.importorskip("sklearn.metrics")
    expected, rows = {}, []
    for task, official in {**GLUE, **SUPERGLUE}.items():
        if task in ("stsb", "record", "multirc"):
            continue
        gold, read, own = drawn(task, official.classes, seed=seed)
        rows += own
        name = task.replace("-", "_")
        known = {
            "accuracy": metrics.accuracy_score(gold, read),
            "mcc": metrics.matthews_corrcoef(gold, read),
            "f1": metrics.f1_score(gold, read, average="binary") if official.classes == 2 else None,
            "macro_f1": metrics.f1_score(gold, read, average="macro"),
        }
        expected |= {f"{name}.{measure}": known[measure] for measure in official.measures}
    glue, _ = scored(rows)
    superglue, _ = scored(rows, "superglue")
    found = {**glue, **superglue}
    del found[""]
    assert found == pytest.approx(expected, abs=1e-12)

    def mean(*names):
        return sum(expected[name] for name in names) / len(names)

    parts = [expected[name] for name in ("cola.mcc", "sst2.accuracy", "qnli.accuracy", "rte.accuracy", "wnli.accuracy")]
    parts += [mean("mrpc.f1", "mrpc.accuracy"), mean("qqp.f1", "qqp.accuracy")]
    parts += [mean("mnli.accuracy", "mnli_mismatched.accuracy")]
    assert glue[""] == pytest.approx(sum(parts) / 8)
    others = [expected[f"{name}.accuracy"] for name in ("boolq", "copa", "rte", "wic", "wsc")]
    assert superglue[""] == pytest.approx((sum(others) + mean("cb.macro_f1", "cb.accuracy")) / 6)


def test_sts_b_equals_scipy():
    stats = pytest.importorskip("scipy.stats")
    generator = numpy.random.default_rng(0)
    right = generator.integers(0, 26, 50) / 5
    said = numpy.round(right + generator.normal(0, 1, 50), 1)
    rows = [
        {"task": "STS-B", "completion": str(abs(a)), "references": [str(b)]} for a, b in zip(said, right, strict=True)
    ]
    values, summary = scored([*rows, {"task": "stsb", "completion": "?", "references": ["1"]}])
    assert values["stsb.pearson"] == pytest.approx(stats.pearsonr(abs(said), right).statistic, abs=1e-9)
    assert values["stsb.spearman"] == pytest.approx(stats.spearmanr(abs(said), right).statistic, abs=1e-9)
    assert values[""] == pytest.approx((values["stsb.pearson"] + values["stsb.spearman"]) / 2)
    assert summary["unread"] == 1


def test_multirc_has_f1_of_all_answers_and_exact_match_of_whole_questions():
    rows = [
        choice_row("multirc", gold, read, text=question)
        for question, answers in {"q1": [(0, 0), (1, 1)], "q2": [(0, 0), (0, 1), (1, 0)], "q3": [(1, 1)]}.items()
        for gold, read in answers
    ]
    values, _ = scored(rows, "superglue")
    assert values["multirc.f1a"] == pytest.approx(2 * 2 / (3 + 3))  # right answers: 3 there, 3 read, 2 of both
    assert values["multirc.em"] == pytest.approx(2 / 3)
    assert values[""] == pytest.approx((values["multirc.f1a"] + values["multirc.em"]) / 2)


def test_record_takes_the_best_of_the_right_entities():
    row = choice_row("record", None, 1, 3, references=["Barack Obama", "Obama"])
    rows = [{**row, "choices": ["Bush", "the Obama", "Clinton"]}, {**row, "choices": ["Obama", "Michelle Obama", "x"]}]
    values, _ = scored([*rows, {**row, "completion": None}], "superglue")
    assert values["record.em"] == pytest.approx(1 / 3)
    assert values["record.f1"] == pytest.approx((1 + 2 / 3) / 3)


def test_answers_in_words_are_read_and_those_that_name_no_choice_are_wrong():
    row = {"task": "CoLA", "choices": ["no", "yes"]}
    rows = [{**row, "completion": text, "answer": gold} for text, gold in
            (("Yes.", "yes"), ("No, it is not.", "no"), ("hm", "yes"), (None, "no"))]  # fmt: skip
    values, summary = scored(rows)
    assert values["cola.mcc"] == pytest.approx(0)  # yes/yes, no/no, yes/no, no/yes
    assert summary["no_answer"] == 1
    assert scored(rows, "glue:by=logprob")[1]["no_logprobs"] == 3
    assert "tasks:cola(1 of 9)" in summary["signature"]


def test_rows_of_other_tasks_and_without_a_right_choice_are_left_out():
    rows = [choice_row("piqa", 0, 0), choice_row("rte", None, 0), choice_row("rte", 0, 0), {"task": "rte"}]
    _, summary = scored(rows)
    assert (summary["n"], summary["other_task"], summary["no_right_choice"]) == (1, 1, 2)


def test_a_choice_that_is_too_long_is_wrong_and_counted():
    row = choice_row("rte", 0, 0)
    values, summary = scored([row, {**row, "choice_logprobs": [None, row["choice_logprobs"][1]]}])
    assert (values["rte.accuracy"], summary["too_long"]) == (0.5, 1)
