import json

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


def scores(path, values, metric="exact-match", task=lambda place: "qa", signature="", samples=1, ids=None):
    rows = []
    for place, value in enumerate(values):
        rows.append(
            {
                "id": (ids or range(len(values)))[place // samples],
                "sample": place % samples,
                "task": task(place),
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
        "metric         file    value  difference        95% interval       p  better  worse  n\n"
        "exact_match ↑  base   0.2500                                                         8\n"
        "               tuned  0.8750     +0.6250  [+0.1250, +1.0000]  0.1250       6      1  8\n"
        "\n"
        "interval: holds 95% of 10,000 paired bootstrap differences; p: how often a difference this large comes from "
        "swapping the files' outputs at random.\n"
        "↑ higher is better, ↓ lower is better; better, worse: rows whose own value improved, fell.\n"
        "exact-match|n:8|norm:space|ref:any|v:0.1.0\n"
    )  # p is exact: binomtest(1, 7) = 0.125


def test_markdown_and_json(tmp_path):
    base, tuned = scores(tmp_path / "base.jsonl", [0, 1] * 4), scores(tmp_path / "tuned.jsonl", [1, 1] * 4)
    assert "| exact_match ↑ | base | 0.5000 |" in run(base, tuned, "--markdown").stdout
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
        "base_value": 0.5,
        "other_value": 1.0,
        "difference": 0.5,
        "interval": found["interval"],
        "p": 0.125,
        "p_holm": 0.125,
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
    assert run(base, tuned, "--by", "none").stdout.count("tuned") == 1


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
    assert "no id and sample is in all of" in nothing.stderr


def test_repeated_ids_name_both_lines(tmp_path):
    base, twice = scores(tmp_path / "a.jsonl", [0, 1]), scores(tmp_path / "b.jsonl", [0, 1], ids=["q", "q"])
    result = run(base, twice)
    assert result.exit_code == 2
    assert f'{twice}:2: id: "q", sample 0 is in line 1 already' in result.stderr


def test_different_measurements_are_refused(tmp_path):
    base = scores(tmp_path / "a.jsonl", [0, 1], signature=SIGNATURE)
    other = scores(tmp_path / "b.jsonl", [0, 1], signature=SIGNATURE.replace("space", "answer"))
    result = run(base, other)
    assert result.exit_code == 2
    assert "exact-match: cannot compare what was measured differently" in result.stderr
    newer = scores(tmp_path / "c.jsonl", [0, 1], signature=SIGNATURE.replace("0.1.0", "0.2.0"))
    result = run(base, newer)
    assert result.exit_code == 0
    assert "were scored by different versions" in result.stderr
    assert comparable_part(SIGNATURE) == {"norm": "space", "ref": "any"}
    mixed = tmp_path / "mixed.jsonl"
    mixed.write_text(base.read_text() + other.read_text().replace('"id": ', '"id": 1'))
    result = run(base, mixed)
    assert result.exit_code == 2
    assert f"{mixed}:3: signatures.exact-match: expected {SIGNATURE} as in the rows before, got " in result.stderr


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
    assert result.stdout.splitlines()[-2:] == [
        SIGNATURE.replace("|", "|n:2|", 1),
        SIGNATURE.replace("exact-match|", "accuracy|n:2|"),
    ]
    assert [line.split()[0] for line in result.stdout.splitlines()[1:5]] == [
        "exact_match",
        "tuned",
        "accuracy",
        "tuned",
    ]


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
        ("exact-mach", 2, "--fail-if-worse: no such metric in all files: 'exact-mach'. Did you mean 'exact-match'?"),
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
    assert "--metric: no such metric in all files: 'accuracy.f1'." in unknown.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a"], "FILE: expected two or more score files, the base first; got one"),
        (["a", "b", "--confidence", "1"], "--confidence: expected less than 1, got 1.0"),
        (["a", "b", "--json", "--markdown"], "--json, --markdown: expected one of them"),
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
