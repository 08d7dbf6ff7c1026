import json

import numpy
import pytest
from typer.testing import CliRunner

from sft_cli.cli import app
from sft_cli.report.score_files import comparable_part, labels_of
from sft_cli.report.table import display_width, text_table


def run(*arguments):
    result = CliRunner().invoke(app, ["compare", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


HASHES = {"prompt_hash": "00000000000000aa", "references_hash": "00000000000000bb"}


def scores(path, values, metric="exact-match", task=lambda place: "qa", signature="", samples=1, ids=None, **more):
    rows = []
    for place, value in enumerate(values):
        rows.append(
            {
                "id": (ids or range(len(values)))[place // samples],
                "sample": place % samples,
                "task": task(place),
                **HASHES,
                **more,
                "metrics": {"exact_match": float(value)},
                "stats": {metric: {"correct": value, "count": 1}},
                **({"signatures": {metric: signature}} if signature else {}),
            }
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


SIGNATURE = "exact-match|norm:space|ref:any|v:0.1.0"


def test_golden_table(tmp_path):
    base = scores(tmp_path / "base.jsonl", [0, 0, 0, 0, 0, 0, 1, 1], signature=SIGNATURE)
    tuned = scores(tmp_path / "tuned.jsonl", [1, 1, 1, 1, 1, 1, 1, 0], signature=SIGNATURE)
    result = run(base, tuned)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "tuned against base:\n"
        "- too little data: exact_match (9 rows to detect +0.6250; 10,643 rows to exclude 0.02)\n"
        "\n"
        "          value   change        95% interval       p  better  worse  n\n"
        "exact_match ↑ 0–1\n"
        "  base   0.2500\n"
        "  tuned  0.8750  +0.6250  [+0.0005, +0.8826]  0.1250       6      1  8\n"
        "\n"
        "too little data: a difference as large as the margin could stay unseen; "
        "the numbers of rows are for a power of 80 %.\n"
        "margin: 0.02 (--margin).\n"
        "interval: Newcombe's interval for the difference between two shares, both of the same prompts.\n"
        "p: exact McNemar test of the rows that only one file got right.\n"
        "↑ higher is better, ↓ lower is better; better, worse: number of rows whose own value became better or worse.\n"
        "exact-match|n:8|norm:space|ref:any|v:0.1.0\n"
        "settings of sft generate: not compared, no manifest for the answers of base, tuned.\n"
    )  # p is exact: binomtest(1, 7) = 0.125


def test_markdown_and_json(tmp_path):
    base, tuned = scores(tmp_path / "base.jsonl", [0, 1] * 4), scores(tmp_path / "tuned.jsonl", [1, 1] * 4)
    assert "| &ensp;base | 0.5000 |" in run(base, tuned, "--markdown").stdout
    document = json.loads(run(base, tuned, "--json").stdout)
    assert (document["schema"], document["base"], document["paired"]) == (1, "base", 8)
    (found,) = document["comparisons"]
    assert found == {
        "metric": "exact-match",
        "value": "exact_match",
        "group": None,
        "base": "base",
        "other": "tuned",
        "higher_is_better": True,
        "largest": 1.0,
        "base_value": 0.5,
        "other_value": 1.0,
        "difference": 0.5,
        "interval": found["interval"],
        "interval_method": "newcombe",
        "no_interval": None,
        "base_interval": pytest.approx((0.2152, 0.7848), abs=5e-5),
        "other_interval": pytest.approx((0.6756, 1.0), abs=5e-5),
        "p": 0.125,
        "p_method": "mcnemar",
        "p_holm": 0.125,
        "effect_size": pytest.approx(0.5 / numpy.std([1, 0] * 4, ddof=1)),
        "margin": 0.02,
        "confidence": 0.95,
        "is_same_file": False,
        "verdict": "too little data",
        "verdict_reason": None,
        "rows_to_detect": found["rows_to_detect"],
        "rows_to_exclude_margin": found["rows_to_exclude_margin"],
        "better": 4,
        "worse": 0,
        "same": 4,
        "n": 8,
        "clusters": 8,
    }
    assert run(base, tuned, "--json").stdout == run(base, tuned, "--json").stdout


def test_groups_and_holm(tmp_path):
    task = lambda place: "ab"[place % 2]  # noqa: E731
    base = scores(tmp_path / "base.jsonl", [0] * 16, task=task)
    tuned = scores(tmp_path / "tuned.jsonl", [place % 2 for place in range(16)], task=task)
    found = json.loads(run(base, tuned, "--json").stdout)["comparisons"]
    assert [(one["group"], one["n"], one["difference"]) for one in found] == [(None, 16, 0.5), ("a", 8, 0), ("b", 8, 1)]
    assert [one["p"] for one in found] == [1 / 128, 1.0, 1 / 128]
    assert [one["p_holm"] for one in found] == [1 / 128, 1.0, 1 / 64]
    assert "p holm" in run(base, tuned).stdout
    assert run(base, tuned, "--by", "none").stdout.count("\n  tuned ") == 1


def test_samples_of_a_prompt_are_one_cluster(tmp_path):
    base = scores(tmp_path / "base.jsonl", [0] * 12, samples=4)
    tuned = scores(tmp_path / "tuned.jsonl", [1] * 12, samples=4)
    (found,) = json.loads(run(base, tuned, "--json").stdout)["comparisons"]
    assert (found["n"], found["clusters"], found["p"]) == (12, 3, 0.25)  # 2 of the 2³ swaps


def test_unpaired_rows_are_reported_and_left_out(tmp_path):
    base = scores(tmp_path / "base.jsonl", [0, 0, 1, 1])
    tuned = scores(tmp_path / "tuned.jsonl", [1, 1], ids=[1, 9])
    result = run(base, tuned)
    assert result.exit_code == 0
    assert f"warning: {base}: 3 of 4 rows are not in every file; 1 rows are compared\n" in result.stderr
    assert f"warning: {tuned}: 1 of 2 rows are not in every file; 1 rows are compared\n" in result.stderr
    nothing = run(base, scores(tmp_path / "other.jsonl", [1], ids=[77]))
    assert nothing.exit_code == 2
    assert "no row (id and sample) is in all of" in nothing.stderr


def test_repeated_ids_name_both_lines(tmp_path):
    base, twice = scores(tmp_path / "a.jsonl", [0, 1]), scores(tmp_path / "b.jsonl", [0, 1], ids=["q", "q"])
    result = run(base, twice)
    assert result.exit_code == 2
    assert f'{twice}:2: id: "q", sample 0 is already in line 1' in result.stderr


def test_different_measurements_are_refused(tmp_path):
    base = scores(tmp_path / "a.jsonl", [0, 1], signature=SIGNATURE)
    other = scores(tmp_path / "b.jsonl", [0, 1], signature=SIGNATURE.replace("space", "answer"))
    result = run(base, other)
    assert result.exit_code == 2
    assert "exact-match: cannot compare scores with different options" in result.stderr
    newer = scores(tmp_path / "c.jsonl", [0, 1], signature=SIGNATURE.replace("0.1.0", "0.2.0"))
    result = run(base, newer)
    assert result.exit_code == 0
    assert "were scored by different versions" in result.stderr
    assert comparable_part(SIGNATURE) == {"norm": "space", "ref": "any"}
    mixed = tmp_path / "mixed.jsonl"
    mixed.write_text(base.read_text() + other.read_text().replace('"id": ', '"id": 1'))
    result = run(base, mixed)
    assert result.exit_code == 2
    assert f"{mixed}:3: signatures.exact-match: expected {SIGNATURE} as in earlier rows, got " in result.stderr


def test_score_files_of_several_tasks_may_be_joined(tmp_path):
    files = []
    for name, right in (("base", [0, 1]), ("tuned", [1, 1])):
        new = scores(tmp_path / name / "new.jsonl", right, signature=SIGNATURE)
        labels = SIGNATURE.replace("exact-match", "accuracy")
        old = scores(tmp_path / name / "old.jsonl", right, "accuracy", lambda _: "old", labels, ids=["x", "y"])
        files.append(tmp_path / f"{name}.jsonl")
        files[-1].write_text(new.read_text() + old.read_text())
    result = run(*files, "--draws", 100)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-3:-1] == [
        SIGNATURE.replace("|", "|n:2|", 1),
        SIGNATURE.replace("exact-match|", "accuracy|n:2|"),
    ]
    blocks = [line for line in result.stdout.splitlines() if "↑ 0–1" in line]
    assert blocks == ["exact_match ↑ 0–1", "accuracy ↑ 0–1"]


def test_files_without_a_common_metric_are_refused(tmp_path):
    base = scores(tmp_path / "a.jsonl", [0, 1])
    result = run(base, scores(tmp_path / "b.jsonl", [0, 1], metric="accuracy"))
    assert result.exit_code == 2
    assert "the files have no metric in common" in result.stderr


@pytest.mark.parametrize(
    ("expression", "code", "message"),
    [
        ("exact-match", 1, "exact_match: bad is worse than base by 0.7500 (interval"),
        ("exact-match:0.5", 1, "exact_match: bad is worse than base by 0.7500 (more than 0.5)"),
        ("exact-match:0.8", 0, ""),
        ("exact_match:0.5", 1, "more than 0.5"),
        ("exact-mach", 2, "--fail-if-worse: not every file has the metric 'exact-mach'. Did you mean 'exact-match'?"),
        ("exact-match:-1", 2, "expected a limit of at least 0"),
    ],
)
def test_fail_if_worse(tmp_path, expression, code, message):
    base, bad = scores(tmp_path / "base.jsonl", [1] * 12), scores(tmp_path / "bad.jsonl", [0, 0, 0, 1] * 3)
    result = run(base, bad, "--fail-if-worse", expression)
    assert result.exit_code == code
    assert message in result.stderr
    assert ("exact_match" in result.stdout) == (code != 2)
    assert run(bad, base, "--fail-if-worse", "exact-match", "--fail-if-worse", "exact-match:0").exit_code == 0


def test_lower_is_better_is_the_metrics_own_direction(tmp_path):
    def file(name, nats):
        rows = [
            {
                "id": place,
                "sample": 0,
                "metrics": {"perplexity": 2.0**nats},
                "stats": {"perplexity": {"nats": nats + place / 100, "tokens": 1, "count": 1}},
            }
            for place in range(20)
        ]
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        return tmp_path / name

    low, high = file("low.jsonl", 1), file("high.jsonl", 2)
    assert run(low, high, "--fail-if-worse", "perplexity").exit_code == 1
    better = run(high, low, "--fail-if-worse", "perplexity")
    assert better.exit_code == 0
    assert "perplexity ↓" in better.stdout


def test_values_of_a_metric_can_be_asked_for(tmp_path):
    rows = [{"id": n, "answer": "yes" if n % 3 else "no", "choices": ["yes", "no"]} for n in range(30)]
    paths = []
    for name, texts in (("base", ["yes"] * 30), ("tuned", [row["answer"] for row in rows])):
        lines = [json.dumps({**row, "completion": text}) for row, text in zip(rows, texts, strict=True)]
        (tmp_path / f"{name}.gen.jsonl").write_text("\n".join(lines))
        paths.append(tmp_path / f"{name}.jsonl")
        arguments = ["score", str(tmp_path / f"{name}.gen.jsonl"), "--metric", "accuracy", "-o", str(paths[-1])]
        assert CliRunner().invoke(app, arguments).exit_code == 0
    result = run(*paths, "--metric", "accuracy.macro_f1", "--json")
    (found,) = json.loads(result.stdout)["comparisons"]
    assert found["base_value"] == pytest.approx(0.4)  # yes: 2·20/(30+20) = 0.8; no: 0
    assert (found["other_value"], found["better"]) == (1.0, None)
    unknown = run(*paths, "--metric", "accuracy.f1")
    assert unknown.exit_code == 2
    assert "--metric: not every file has the metric 'accuracy.f1'." in unknown.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([__file__], "FILE: expected two or more score files, the base first; got one"),
        ([__file__, __file__, "--confidence", "1"], "--confidence: expected less than 1, got 1.0"),
        ([__file__, __file__, "--json", "--markdown"], "--json, --markdown: expected only one of them"),
        (["a", "b"], "a: cannot read: No such file or directory"),
    ],
)
def test_bad_flags(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "a", "completion": "x"}, "stats: expected an object, got null"),
        ({"id": "a", "stats": {"bleu": {"count": "x"}}, "metrics": {}}, 'stats.bleu.count: expected a number, got "x"'),
        ({"id": "a", "stats": {"bleu": {}}, "metrics": {}}, "stats.bleu.count: expected a number, got null"),
        ({"stats": {}, "metrics": {}}, "id: expected text, got null"),
    ],
)
def test_bad_score_row_names_file_and_line(tmp_path, row, message):
    path = tmp_path / "x.jsonl"
    path.write_text("\n" + json.dumps(row) + "\n")
    result = run(path, path)
    assert result.exit_code == 2
    assert f"{path}:2: {message}\n" in result.stderr


def test_labels_are_short_and_unique():
    assert labels_of(["out/a.scores.jsonl", "out/b.scores.jsonl"]) == ["a.scores", "b.scores"]
    assert labels_of(["runs/a/scores.jsonl", "runs/b/scores.jsonl"]) == ["a/scores", "b/scores"]
    assert labels_of(["a.jsonl", "a.jsonl"]) == ["a#1", "a#2"]


def test_wide_characters_take_two_columns():
    assert display_width("表格a") == 5
    assert text_table(["x", "y"], [["表", "1"], ["abc", "22"]], "<>") == "x     y\n表    1\nabc  22\n"


def test_rows_that_ask_something_else_under_one_id_are_refused(tmp_path):
    base = scores(tmp_path / "base.jsonl", [0, 1, 1])
    other = scores(tmp_path / "other.jsonl", [0, 1, 1])
    lines = other.read_text().splitlines()
    lines[1] = lines[1].replace("aa", "ab")
    lines[2] = lines[2].replace("aa", "ab").replace("bb", "bc")
    other.write_text("\n".join(lines))
    result = run(base, other)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"sft compare: {other}:2: prompt_hash: differs from {base}:2, which has the same id 1; "
        "differences in 3 pairs: 2 in prompt and 1 in references\n"
        "hint: generate and score both files from the same rows; ids from sft prep depend on the prompts\n"
    )
    bad = scores(tmp_path / "bad.jsonl", [1], prompt_hash="xyz")
    assert f'{bad}:1: prompt_hash: expected 16 hexadecimal digits, got "xyz"' in run(bad, bad).stderr


def test_files_without_hashes_are_compared_and_it_is_told(tmp_path):
    base = scores(tmp_path / "base.jsonl", [0, 1, 1], prompt_hash=None, signature=SIGNATURE)
    old = scores(tmp_path / "old.jsonl", [0, 1, 1], prompt_hash=None, references_hash=None, signature=SIGNATURE)
    result = run(base, old)
    assert result.exit_code == 0
    assert result.stderr == (
        f"warning: {base}: rows without prompt_hash; sft cannot check that their pairs have the same prompt\n"
        f"warning: {old}: rows without prompt_hash or references_hash; sft cannot check that their pairs "
        "have the same prompt\n"
    )


def test_one_row_on_top_pairs_nothing_wrongly(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sft = CliRunner().invoke
    questions = [{"prompt": f"Question {n}?", "completion": f"Answer {n}"} for n in range(6)]
    for name, rows in (("base", questions), ("tuned", [{"prompt": "New?", "completion": "x"}, *questions])):
        raw, out = tmp_path / f"{name}.raw.jsonl", tmp_path / f"{name}.jsonl"
        raw.write_text("".join(json.dumps(row) + "\n" for row in rows))
        prepared = sft(app, ["prep", str(raw), "--eval"])
        answers = [{**row, "completion": row["references"][0]} for row in map(json.loads, prepared.stdout.splitlines())]
        out.write_text("".join(json.dumps(row) + "\n" for row in answers))
        scored = sft(app, ["score", str(out), "--metric", "exact-match", "-o", f"{name}.scores.jsonl"])
        assert scored.exit_code == 0
    result = run("base.scores.jsonl", "tuned.scores.jsonl", "--json")
    assert "tuned.scores.jsonl: 1 of 7 rows are not in every file" in result.stderr
    (found,) = json.loads(result.stdout)["comparisons"]
    assert (found["n"], found["same"], found["base_value"]) == (6, 6, 1.0)


def of_tasks(path, **tasks):
    values = [value for each in tasks.values() for value in each]
    names = [name for name, each in tasks.items() for _ in each]
    return scores(path, values, task=lambda place: names[place], signature=SIGNATURE)


GATE = ("--fail-if-worse", "exact-match")


def test_a_gate_looks_at_every_task(tmp_path):
    base = of_tasks(tmp_path / "base.jsonl", old=[1] * 10, new=[0] * 30)
    tuned = of_tasks(tmp_path / "tuned.jsonl", old=[0] * 10, new=[1] * 30)
    result = run(base, tuned, *GATE)
    assert result.exit_code == 1
    assert result.stderr == (
        "sft compare: FAIL: exact_match: tuned is worse than base by 1.0000 in old (interval [-1.0000, -0.6075], "
        "p 0.0039)\n"
    )  # 2 of the 2^10 swaps, times 2 for Holm
    limited = run(base, tuned, "--fail-if-worse", "exact-match:0.5")
    assert limited.exit_code == 1
    assert limited.stderr.endswith("by 1.0000 in old (more than 0.5)\n")
    gate = json.loads(run(base, tuned, *GATE, "--json").stdout)["gate"]
    assert (gate["passed"], [test["verdict"] for test in gate["tests"]]) == (False, ["pass", "pass", "fail"])
    assert json.loads(run(base, tuned, "--json").stdout)["gate"] is None


def test_a_gate_that_passes_says_what_it_cannot_see(tmp_path):
    base = of_tasks(tmp_path / "base.jsonl", old=[1] * 10, few=[1] * 4)
    tuned = of_tasks(tmp_path / "tuned.jsonl", old=[1] * 9 + [0], few=[0] * 4)
    result = run(base, tuned, "--fail-if-worse", "exact-match", "--json")
    assert result.exit_code == 0
    line = (
        "PASS: exact_match is not significantly worse in 2 tests (all, old); "
        "not excluded: a drop of up to 0.6124 in all (95% interval, n 14); "
        "not judged: exact_match in few (fewer than 5 prompts)"
    )
    assert result.stderr == f"sft compare: {line}\n"
    assert json.loads(result.stdout)["gate"]["reason"] == line
    assert run(base, tuned, *GATE, "-q").stderr == ""


@pytest.mark.parametrize("rows", [1, 3, 4])
def test_a_gate_never_fires_on_fewer_than_five_rows(tmp_path, rows):
    base, bad = of_tasks(tmp_path / "base.jsonl", a=[1] * rows), of_tasks(tmp_path / "bad.jsonl", a=[0] * rows)
    result = run(base, bad, *GATE, "--confidence", 0.5)
    assert result.exit_code == 0
    assert "PASS: no comparison could be judged; not judged: exact_match in all (fewer than" in result.stderr
    assert "interval -: fewer than 5 prompts.\n" in result.stdout
    assert "[-1.0000, -1.0000]" not in result.stdout


def test_holm_is_over_all_gated_tests(tmp_path):
    drops = {f"task-{n}": ([1] * 8, [0] * 6 + [1] * 2) for n in range(2)}
    calm = {f"calm-{n}": ([1, 0] * 40, [0, 1] * 40) for n in range(4)}
    sides = [{name: both[side] for name, both in {**drops, **calm}.items()} for side in (0, 1)]
    base, tuned = of_tasks(tmp_path / "base.jsonl", **sides[0]), of_tasks(tmp_path / "tuned.jsonl", **sides[1])
    found = json.loads(run(base, tuned, *GATE, "--json").stdout)
    tests = {test["group"]: test for test in found["gate"]["tests"]}
    assert tests["task-0"]["p"] == pytest.approx(7 * 2 / 2**6)  # not sure any more, among seven tests
    assert found["gate"]["passed"]
    assert run(base, tuned, *GATE, "--by", "none", "--draws", 100).exit_code == 0
    few = run(base, tuned, *GATE, "--draws", 100)
    assert few.exit_code == 2
    assert "--draws 100: expected more for 7 tested comparisons, because p-values are corrected" in few.stderr


def test_rows_that_are_missing_fail_a_gate(tmp_path):
    base, half = scores(tmp_path / "base.jsonl", [1] * 20), scores(tmp_path / "half.jsonl", [1] * 12)
    for files in ((base, half), (half, base)):
        result = run(*files, "--fail-if-worse", "exact-match:0.01", "-q")
        assert result.exit_code == 1
        assert result.stderr == (
            f"sft compare: FAIL: 8 of 20 rows of {base} are not in every file "
            "(--allow-missing: the gates judge only the other 12 rows)\n"
        )
        assert run(*files, "--fail-if-worse", "exact-match:0.01", "--allow-missing").exit_code == 0
    bare = run(base, half, "--allow-missing")
    assert (bare.exit_code, bare.stderr) == (
        2,
        "sft compare: --allow-missing: has an effect only with --gate or --fail-if-worse\n",
    )


def test_rows_without_the_gated_metric_are_missing_too(tmp_path):
    base, tuned = scores(tmp_path / "base.jsonl", [1] * 20), scores(tmp_path / "tuned.jsonl", [1] * 20)
    rows = [json.loads(line) for line in tuned.read_text().splitlines()]
    tuned.write_text(
        "".join(json.dumps({**row, "stats": row["stats"] if n < 12 else {}}) + "\n" for n, row in enumerate(rows))
    )
    result = run(base, tuned, *GATE)
    assert result.exit_code == 1
    assert f"FAIL: 8 of 20 rows of {tuned} have no exact-match, but the same rows of " in result.stderr


def test_an_empty_file_and_a_field_that_no_row_has_are_errors(tmp_path):
    base, empty = scores(tmp_path / "base.jsonl", [1, 0]), tmp_path / "empty.jsonl"
    empty.write_text("")
    for files in ((base, empty), (empty, base)):
        result = run(*files, *GATE)
        assert (result.exit_code, result.stdout) == (2, "")
        assert f"sft compare: {empty}: no rows\n" in result.stderr
    result = run(base, base, "--by", "product")
    assert result.exit_code == 2
    assert result.stderr == (
        f"sft compare: --by: no row of {base} has the field 'product'\n"
        "hint: sft score --by product writes the field into its rows; --by none compares without groups\n"
    )


def test_equal_answers_are_no_proof_of_equality(tmp_path):
    base = scores(tmp_path / "base.jsonl", [1] * 20)
    (found,) = json.loads(run(base, base, "--json").stdout)["comparisons"]
    assert found["interval"] == pytest.approx([-0.1611, 0.1611], abs=5e-5)
    samples = scores(tmp_path / "samples.jsonl", [1] * 40, samples=2)
    (found,) = json.loads(run(samples, samples, "--json").stdout)["comparisons"]
    assert (found["interval"], found["no_interval"]) == (None, "all resamples are equal")


def test_what_no_finite_number_is_stands_for_no_value(tmp_path):
    base = scores(tmp_path / "base.jsonl", [1, 0, 1])
    base.write_text(base.read_text().replace('"exact_match": 0.0', '"exact_match": null'))
    (found,) = json.loads(run(base, base, "--json").stdout)["comparisons"]
    assert (found["n"], found["same"]) == (3, 2)
    base.write_text(base.read_text().replace("null", '"x"'))
    assert f'{base}:2: metrics.exact_match: expected a number, got "x"' in run(base, base).stderr


def test_metrics_of_other_scales_are_told_and_a_row_of_zeros_is_no_share_of_them(tmp_path):
    files = []
    for name in ("base", "tuned"):
        stats = {"exact-match": {"correct": 0, "count": 1}, "judge-rating": {"rating": 1.0, "count": 1}}
        rows = [
            {"id": n, **HASHES, "metrics": {"exact_match": 0.0, "judge_rating": 1.0}, "stats": stats} for n in range(9)
        ]
        files.append(tmp_path / f"{name}.jsonl")
        files[-1].write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = run(*files).stdout
    assert "exact_match ↑ 0–1\n" in text
    assert "judge_rating ↑\n" in text
    found = {one["value"]: one for one in json.loads(run(*files, "--json").stdout)["comparisons"]}
    assert found["exact_match"]["interval_method"] == "newcombe"
    assert found["judge_rating"]["no_interval"] == "all resamples are equal"
