"""--gate: what an expression means, and that its exit code follows the printed verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from sft_cli.report.gate_expressions import read_gate
from sft_cli.run.errors import UserError

VALUES, GROUPS = ["exact-match", "exact_match", "rouge_l.f"], ["old", "new", "v1.2"]


def scores(path: Path, **tasks: list[int]) -> Path:
    rows = [
        {
            "id": f"{task}-{place}",
            "task": task,
            "prompt_hash": "00000000000000aa",
            "references_hash": "00000000000000bb",
            "metrics": {"exact_match": value},
            "stats": {"exact-match": {"correct": value, "count": 1}},
            "signatures": {"exact-match": "exact-match|norm:space|v:0.1.0"},
        }
        for task, values in tasks.items()
        for place, value in enumerate(values)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("exact_match >= 0.8", (None, "exact_match", 1, 0.8, False, "point")),
        ("old.exact_match>=base-0.02", ("old", "exact_match", 1, -0.02, True, "point")),
        ("all.rouge_l.f <= base + 1e-2, upper bound", ("all", "rouge_l.f", -1, 0.01, True, "upper bound")),
        ("v1.2.rouge_l.f > .5, significant", ("v1.2", "rouge_l.f", 1, 0.5, False, "significant")),
        ("exact_match >= base, significant", (None, "exact_match", 1, 0.0, True, "significant")),
    ],
)
def test_expressions(text: str, expected: tuple[Any, ...]) -> None:
    gate = read_gate(text, VALUES, GROUPS)
    assert (gate.group, gate.value, gate.sign, gate.number, gate.is_relative, gate.how) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("exact_match", "expected a value, >= or <=, and a number"),
        ("exact_match == 1", "expected a value, >= or <=, and a number"),
        ("exakt_match >= 1", "not every file has the value 'exakt_match'. Did you mean"),
        ("odd.exact_match >= 1", "no rows of 'odd'. Did you mean 'old'?"),
        ("exact_match >= 1, upper bound", "expected point, significant, lower bound after the comma, got upper bound"),
        ("exact_match >= 1..2", "expected a number, got 1..2"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, problem: str) -> None:
    with pytest.raises(UserError) as error:
        read_gate(text, VALUES, GROUPS)
    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("gate", "code", "reason"),
    [
        ("exact_match >= 0.8", 0, "exact_match >= 0.8 (point) in 1 test (all)"),
        ("exact_match >= 0.85", 1, "exact_match >= 0.85 (point): exact_match of tuned is 0.8000"),
        ("exact_match >= 0.8, lower bound", 1, "(lower bound): exact_match of tuned is 0.8000, interval [0.6"),
        ("exact_match >= 0.85, significant", 0, "exact_match >= 0.85 (significant) in 1 test (all)"),
        ("exact_match >= 0.95, significant", 1, "(significant): exact_match of tuned is 0.8000, interval [0.6"),
        ("exact_match >= base - 0.02", 1, "(point): exact_match of tuned changed by -0.4000 in old"),
        ("all.exact_match >= base - 0.02", 0, "all.exact_match >= base - 0.02 (point) in 1 test (all)"),
        ("new.exact_match >= base + 0.5, lower bound", 0, "(lower bound) in 1 test (new)"),
        ("old.exact_match >= base, significant", 1, "tuned is worse than base by 0.4000 in old (interval ["),
    ],
)
def test_gates(sft: Any, tmp_path: Path, gate: str, code: int, reason: str) -> None:
    base = scores(tmp_path / "base.jsonl", old=[1] * 20, new=[0] * 20)
    tuned = scores(tmp_path / "tuned.jsonl", old=[1] * 12 + [0] * 8, new=[1] * 20)
    result = sft("compare", base, tuned, "--gate", gate)
    assert (result.code, result.err.startswith(f"sft compare: {'FAIL' if code else 'PASS'}: ")) == (code, True)
    assert reason in result.err


def test_the_gate_and_the_table_have_one_p_value_and_one_verdict(sft: Any, tmp_path: Path) -> None:
    """With four tests of p 0.031 each, none is significant after correction: neither in the table nor for the gate."""
    names = ("a", "b", "c")
    base = scores(tmp_path / "base.jsonl", **{name: [1] * 20 for name in names})
    tuned = scores(tmp_path / "tuned.jsonl", **{name: [0] * 6 + [1] * 14 for name in names})
    result = sft("compare", base, tuned, "--fail-if-worse", "exact-match", "--json")
    document = json.loads(result.out)
    words = {one["group"]: one["verdict"] for one in document["comparisons"]}
    fails = {test["group"] for test in document["gate"]["tests"] if test["verdict"] == "fail"}
    assert {group for group, word in words.items() if word == "worse"} == fails == {None}
    assert [one["p_holm"] for one in document["comparisons"]] == [test["p"] for test in document["gate"]["tests"]]


def test_too_little_data_passes_unless_power_is_required(sft: Any, tmp_path: Path) -> None:
    base, tuned = (scores(tmp_path / f"{name}.jsonl", qa=[1, 0] * 10) for name in ("base", "tuned"))
    tuned.write_text(tuned.read_text() + "\n")  # other bytes
    assert sft("compare", base, tuned, "--fail-if-worse", "exact-match").code == 0
    result = sft("compare", base, tuned, "--fail-if-worse", "exact-match", "--require-power")
    assert result.code == 1
    assert "FAIL: too little data to judge: exact_match in all (too little data) (--require-power)" in result.err
    enough = sft("compare", base, tuned, "--fail-if-worse", "exact-match", "--require-power", "--margin", 0.2)
    assert (enough.code, "- equivalent: exact_match\n" in enough.out) == (0, True)


def test_a_junit_file_has_a_case_for_each_test(sft: Any, tmp_path: Path) -> None:
    base = scores(tmp_path / "base.jsonl", old=[1] * 20, few=[1] * 3)
    tuned = scores(tmp_path / "tuned.jsonl", old=[0] * 20, few=[1] * 3)
    out, junit = tmp_path / "out.txt", tmp_path / "junit.xml"
    gates = (
        "--gate",
        "exact_match >= 0.1",
        "--gate",
        "old.exact_match >= base - 0.5",
        "--fail-if-worse",
        "exact-match",
    )
    result = sft("compare", base, tuned, *gates, "--junit", junit, "-o", out)
    suite = ElementTree.parse(junit).getroot()
    assert (result.code, suite.attrib["tests"], suite.attrib["failures"], suite.attrib["skipped"]) == (1, "5", "3", "1")
    failures = [each.attrib["message"] for each in suite.iter("failure")]
    assert all(message in result.err for message in failures)
    again = sft("compare", base, tuned, *gates, "--junit", junit, "-o", out, "--skip-if-current")
    assert (again.code, again.err == result.err) == (1, True)


def test_a_markdown_comment_begins_with_the_gate(sft: Any, tmp_path: Path) -> None:
    base, tuned = scores(tmp_path / "a.jsonl", qa=[1] * 20), scores(tmp_path / "b.jsonl", qa=[0] * 20)
    result = sft("compare", base, tuned, "--markdown", "--gate", "exact_match >= 0.5")
    start = "**FAIL**\n\n- exact_match >= 0.5 (point): exact_match of b is 0.0000, interval [0.0000, 0.1611]\n\n"
    assert result.out.startswith(start + "b against a:\n- worse: exact_match\n\n|")


def test_figures_of_forgetting_have_gates_too(sft: Any, tmp_path: Path) -> None:
    base = scores(tmp_path / "base.jsonl", a=[0] * 20, b=[0] * 20)
    one = scores(tmp_path / "one.jsonl", a=[1] * 20, b=[0] * 20)
    two = scores(tmp_path / "two.jsonl", a=[1] * 14 + [0] * 6, b=[1] * 20)
    command = ("compare", "--forgetting", base, one, two, "--learned", "a", "--learned", "b", "--gate")
    assert sft(*command, "forgetting <= 0.35").code == 0
    result = sft(*command, "forgetting <= 0.05")
    assert (result.code, "FAIL: forgetting <= 0.05 (point): forgetting of the last stage is 0.3000" in result.err) == (
        1,
        True,
    )
    assert sft(*command, "a.exact_match >= 0.6").code == 0
    assert sft(*command, "b.exact_match >= base + 0.9").code == 0
    assert (
        "no rows to judge\nhint: name a task, for example TASK.exact_match" in sft(*command, "exact_match >= 0.5").err
    )
    assert "expected a number: the base has no forgetting" in sft(*command, "forgetting <= base").err


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (("--junit", "x.xml"), "--junit: has an effect only with --gate or --fail-if-worse"),
        (("--require-power",), "--require-power: has an effect only with --gate or --fail-if-worse"),
        (("--margin", "0"), "--margin 0: expected X or METRIC:X, where X is a number above 0"),
        (("--margin", "much"), "--margin much: expected X or METRIC:X, where X is a number above 0"),
        (("--margin", "rouge:1"), "--margin: not every file has the metric 'rouge'"),
        (
            ("--allow-different", "seed"),
            "--allow-different: no manifest tells how the answers of base, tuned were generated",
        ),
        (("--cluster", "doc"), "base.jsonl:1: doc: expected a value, because --cluster names this field, got nothing"),
    ],
)
def test_flags_without_effect_are_refused(sft: Any, here: Path, flags: tuple[str, ...], problem: str) -> None:
    base, tuned = scores(here / "base.jsonl", qa=[1] * 8), scores(here / "tuned.jsonl", qa=[0] * 8)
    result = sft("compare", base, tuned, *flags)
    assert (result.code, problem in result.err) == (2, True), result.err
