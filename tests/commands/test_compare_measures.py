"""Measures of a whole file through `sft score` and `sft compare`: their differences, directions and gates."""

import json
import math
import random

import pytest
from typer.testing import CliRunner

from sft_cli.cli import app

METRICS = ("glue", "calibration", "entropy", "collapse", "correlation", "safety", "repetition")
COMPARED = (
    "glue",
    "glue.cola.mcc",
    "glue.stsb.spearman",
    "correlation.pearson",
    "correlation.spearman",
    "calibration.brier",
    "calibration.ece",
    "calibration.accuracy",
    "entropy",
    "collapse.excess",
    "collapse.repeated",
    "safety.refusal",
    "repetition.distinct",
)
ANSWER = "This is what I know. This is what I know."


def run(*arguments):
    result = CliRunner().invoke(app, [*map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def generations(path, skill):
    """80 rows: of CoLA by likelihood, of MRPC by words, of STS-B, and free text that is one text in 1 − skill."""
    shared, own = random.Random("rows"), random.Random(skill)
    rows = []
    for place in range(80):
        task = ("cola", "mrpc", "stsb", "talk")[place % 4]
        gold, score = shared.randrange(2), shared.randrange(26) / 5
        row = {"id": f"r{place}", "text": f"{task} {place}", "task": task, "sample": 0, "finish_reason": "stop"}
        row["completion_logprob"] = {"sum": math.log(1 - own.random() * skill), "tokens": 2}
        if task in ("cola", "mrpc"):
            read = gold if own.random() < skill else 1 - gold
            row |= {"choices": ["no", "yes"], "answer_index": gold, "completion": ["no", "yes"][read]}
        if task == "cola":
            row["choice_logprobs"] = [
                {"sum": -1.0 - (each != read), "tokens": 1, "characters": 3, "bytes": 3} for each in range(2)
            ]
        if task == "stsb":
            row |= {"references": [str(score)], "completion": f"{abs(score + own.gauss(0, 2 - skill)):.1f}"}
        if task == "talk":
            text = f"Answer {place} to question {place}." if own.random() < skill else ANSWER
            row["completion"] = text if own.random() < 0.8 else "I'm sorry, but I can't help with that."
        rows.append(row)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    folder, files = tmp_path_factory.mktemp("measures"), []
    for name, skill in (("base", 0.4), ("tuned", 0.9)):
        out = folder / f"{name}.jsonl"
        asked = [word for metric in METRICS for word in ("--metric", metric)]
        result = run("score", generations(folder / f"{name}.gen.jsonl", skill), *asked, "--draws", 0, "-q", "-o", out)
        assert result.exit_code == 0, result.stderr
        files.append(out)
    return files


def values_of(path):
    summary = json.loads(path.with_name(f"{path.name}.summary.json").read_text(encoding="utf-8"))
    return {name: value for metric in summary["metrics"].values() for name, value in metric["values"].items()}


def test_differences_are_those_of_the_summaries_and_every_value_has_an_interval(scored):
    asked = [word for value in COMPARED for word in ("--metric", value)]
    result = run("compare", *scored, *asked, "--by", "none", "--draws", 500, "--json")
    assert result.exit_code == 0, result.stderr
    base, tuned = map(values_of, scored)
    found = {each["value"]: each for each in json.loads(result.stdout)["comparisons"]}
    assert list(found) == list(COMPARED)
    for name, each in found.items():
        assert each["base_value"] == pytest.approx(base[name]), name
        assert each["other_value"] == pytest.approx(tuned[name]), name
        assert each["interval"] is not None, (name, each["no_interval"])
        low, high = each["interval"]
        assert low <= each["difference"] <= high or name == "calibration.ece", name  # a resample's ECE is too high
    assert found["glue"]["difference"] > 0 > found["collapse.excess"]["difference"]
    assert found["glue"]["interval"][0] > 0
    assert {name for name, each in found.items() if each["higher_is_better"]} == {
        "glue",
        "glue.cola.mcc",
        "glue.stsb.spearman",
        "correlation.pearson",
        "correlation.spearman",
        "calibration.accuracy",
        "entropy",
        "repetition.distinct",
    }


def test_a_gate_on_a_collapse_fails_and_the_other_way_round_it_passes(scored):
    asked = ["--by", "none", "--draws", 500, "--fail-if-worse", "collapse", "--fail-if-worse", "glue"]
    assert run("compare", *scored, *asked).exit_code == 0
    back = run("compare", *scored[::-1], *asked)
    assert back.exit_code == 1
    assert "collapse.excess: base is worse than tuned by" in back.stderr
    assert "glue: base is worse than tuned by" in back.stderr
