"""`sft score --harness` with a stand-in for lm-eval (`stub/`); the last test runs lm-eval itself if it is there."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from run_command import Result, run_command

from sft_cli.harness import worker
from sft_cli.harness.data import task_files
from sft_cli.harness.run import environment
from sft_cli.run.errors import UserError

STUB = Path(__file__).parent / "stub"
PIQA = [
    {"goal": f"goal {number}", "sol1": "one way", "sol2": "another", "label": label}
    for number, label in enumerate([0, 1, 1, 0, 0])
]
BOOLQ = [{"passage": "It rains.", "question": f"is {number} wet", "label": number % 2} for number in range(4)]


def forget_lm_eval() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "lm_eval"]:
        del sys.modules[name]


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """lm-eval is the stand-in, in this process and in those it starts."""
    forget_lm_eval()
    monkeypatch.syspath_prepend(str(STUB))
    monkeypatch.setenv("PYTHONPATH", f"{STUB}{os.pathsep}{Path(__file__).parents[2]}")
    yield
    forget_lm_eval()


def write(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with rows of piqa and boolq."""
    write(tmp_path / "data" / "piqa.jsonl", PIQA)
    write(tmp_path / "data" / "boolq.jsonl", BOOLQ)
    return tmp_path / "data"


def model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def sft(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stub: None) -> Any:
    def run(*words: Any) -> Result:
        return run_command(monkeypatch, capsys, *words)

    return run


def request(data: Path, *tasks: str, **changed: Any) -> dict[str, Any]:
    """What `sft score --harness TASKS --data DATA` asks of the worker."""
    files = task_files(str(data), list(tasks), changed.get("shots"))
    entries = [
        {"task": f.task, "file": f.file and str(f.file), "train": f.train and str(f.train), "rows": f.rows}
        for f in files
    ]
    known = {"data": str(data), "model": "m", "shots": None, "limit": None, "batch_requests": 8}
    return {"tasks": entries, **known, "dtype": "float32", "device": "cpu", **changed}


@pytest.mark.slow
def test_two_models_are_measured_on_local_rows_and_compared_row_by_row(
    sft: Any, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_RECORD", str(tmp_path / "record.json"))
    for name in ("plain", "better"):
        flags = ("--data", data, "--device", "cpu", "--dtype", "float32", "-o", tmp_path / f"{name}.jsonl")
        done = sft("score", "--harness", "piqa,boolq", "--model", model(tmp_path / "runs" / name), *flags)
        assert done.code == 0, done.err
        assert done.out == ""
    assert "piqa: 5 of 5 rows of piqa.jsonl, in place of the validation split of the task; 0 examples\n" in done.err
    rows = [json.loads(line) for line in (tmp_path / "plain.jsonl").read_text().splitlines()]
    assert [row["task"] for row in rows] == ["piqa"] * 5 + ["boolq"] * 4
    assert len({row["id"] for row in rows}) == 9
    assert rows[1]["metrics"] == {"harness:measure=acc": 0.0, "harness:measure=acc_norm": 0.0}
    assert rows[0]["stats"]["harness:measure=acc"] == {"total": 1.0, "count": 1}
    assert list(rows[-1]["stats"]) == ["harness:measure=acc"]  # boolq has no acc_norm
    signature = rows[0]["signatures"]["harness:measure=acc"]
    assert signature.startswith("harness|measure:acc|tasks:boolq@1.0+piqa@1.0|shots:0|prompts:")
    assert "|dtype:float32|version:0.4.13|" in signature
    text = (tmp_path / "plain.jsonl.summary.json").read_text()
    summary = json.loads(text)
    assert str(tmp_path) not in text  # no path of this machine
    assert summary["groups"]["piqa"]["metrics"]["harness:measure=acc"]["value"] == pytest.approx(3 / 5)
    assert summary["metrics"]["harness:measure=acc_norm"]["not_measured"] == 4
    assert summary["harness"]["tasks"]["piqa"] == {
        "file": "piqa.jsonl",
        "in_place_of": "validation",
        "rows_in_file": 5,
        "rows": 5,
        "shots": 0,
        "version": 1.0,
        "aggregates": {"acc": 0.6, "acc_norm": 0.6},
        "left_out": [],
    }
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["given"]["bootstrap_iters"] == 0
    assert record["given"]["model_args"] == {"pretrained": str(tmp_path / "runs" / "better"), "dtype": "float32"}
    assert (record["given"]["batch_size"], record["given"]["device"]) == (8, "cpu")
    compared = sft("compare", tmp_path / "plain.jsonl", tmp_path / "better.jsonl", "--json")
    assert compared.code == 0, compared.err
    first = json.loads(compared.out)["comparisons"][0]
    assert (first["value"], first["group"], first["n"]) == ("harness:measure=acc", None, 9)
    assert (first["better"], first["worse"]) == (4, 0)


@pytest.mark.slow
def test_the_same_run_is_current_and_is_not_repeated(sft: Any, data: Path, tmp_path: Path) -> None:
    words = ("score", "--harness", "piqa", "--model", model(tmp_path / "m"), "--data", data, "-n", 2, "--device", "cpu")
    assert sft(*words, "-o", tmp_path / "s.jsonl", "--skip-if-current").code == 0
    assert "is up to date" in sft(*words, "-o", tmp_path / "s.jsonl", "--skip-if-current").err
    again = sft(*words, "-o", tmp_path / "s.jsonl")
    assert (again.code, "already exists" in again.err) == (2, True)


@pytest.mark.slow
def test_what_is_no_mean_of_rows_is_only_in_the_summary(sft: Any, tmp_path: Path) -> None:
    rows = [{"sentence1": "a", "sentence2": str(n), "label": n % 2, "q": "?"} for n in range(4)]
    data = tmp_path / "data"
    for task in ("mrpc", "odd"):
        write(data / f"{task}.jsonl", rows)
    out = tmp_path / "s.jsonl"
    done = sft("score", "--harness", "mrpc,odd", "--model", model(tmp_path / "m"), "--data", data, "-o", out)
    assert done.code == 0, done.err
    assert "; f1 (0.5000) is not a mean of rows, so it is only in the summary\n" in done.err
    stats = [json.loads(line)["stats"] for line in out.read_text().splitlines()]
    assert {key for each in stats for key in each} == {"harness:measure=acc"}  # no loss, and no flag that came as text
    harness = json.loads((tmp_path / "s.jsonl.summary.json").read_text())["harness"]
    assert harness["tasks"]["odd"]["left_out"] == ["loss", "flag"]
    assert harness["tasks"]["mrpc"]["aggregates"]["f1"] == 0.5


@pytest.mark.slow
def test_a_task_that_reads_answers_in_two_ways_gives_two_measures(sft: Any, tmp_path: Path) -> None:
    data = tmp_path / "data"
    write(data / "taught.jsonl", [{"q": str(n), "label": 0} for n in range(3)])
    write(data / "taught.train.jsonl", [{"q": "x", "label": 0}])
    done = sft("score", "--harness", "taught", "--model", model(tmp_path / "m"), "--data", data, "--quiet")
    assert done.code == 0, done.err
    assert list(done.rows[0]["metrics"]) == ["harness:measure=acc/strict", "harness:measure=acc/flexible"]
    assert len(done.rows) == 3
    assert "|shots:5|" in done.rows[0]["signatures"]["harness:measure=acc/strict"]
    assert done.err == ""


@pytest.mark.slow
def test_a_worker_that_dies_or_loses_rows_is_an_error(
    sft: Any, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("score", "--harness", "piqa", "--model", model(tmp_path / "m"), "--data", data, "-o", tmp_path / "s.jsonl")
    monkeypatch.setenv("STUB_LOSES_A_ROW", "1")
    lost = sft(*words)
    assert (lost.code, "--harness: piqa: expected results for 5 rows, got 4\n" in lost.err) == (2, True)
    monkeypatch.setenv("STUB_DIES", "1")
    died = sft(*words)
    assert died.code == 2
    assert "--harness: lm-eval stopped with exit code 9\nKilled for want of memory\n" in died.err
    assert not (tmp_path / "s.jsonl").exists()


def test_the_worker_is_offline_and_keeps_the_hub_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HOME", "/models")
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    found = environment(tmp_path, shows_progress=False)
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE", "TRANSFORMERS_OFFLINE"):
        assert found[name] == "1"
    assert found["HF_HOME"] == str(tmp_path / "home")
    assert found["HF_HUB_CACHE"] == "/models/hub"
    assert (found["DISABLE_MULTIPROC"], found["TQDM_DISABLE"]) == ("1", "1")
    assert "TQDM_DISABLE" not in environment(tmp_path, shows_progress=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "m"], "--model: has an effect only with --harness"),
        (["--shots", "3"], "--shots: has an effect only with --harness"),
        (["--dtype", "float32"], "--dtype: has an effect only with --harness"),
        (["--metric", "harness:measure=acc_norm"], "--metric harness: expected --harness, which measures it"),
        (["--harness", "piqa"], "--harness: needs --model"),
        (["--harness", "piqa", "--model", "m"], "--harness: needs --data"),
        (
            [__file__, "--harness", "piqa"],
            f"GENERATIONS: expected no file with --harness, got {__file__}",
        ),
        (["--harness", "piqa", "--metric", "bleu"], "--metric: has no effect with --harness"),
        (["--harness", "piqa", "--on-error", "skip"], "--on-error: has no effect with --harness"),
        (["--harness", "piqa", "--tokenizer", "char"], "--tokenizer: has no effect with --harness"),
        (["--harness", "piqa", "--rejects", "r"], "--rejects: has no effect with --harness"),
        (
            ["--harness", "piqa", "--model", "m", "--data", ".", "-n", "0"],
            "--limit: expected at least 1 with --harness",
        ),
        (["--harness", "piqa,,", "--model", "m", "--data", "."], "expected task names with commas between them"),
        (["--harness", "../x", "--model", "m", "--data", "."], "expected task names with commas between them"),
        (["--harness", "piqa,piqa", "--model", "m", "--data", "."], "--harness: piqa is given twice"),
        (
            ["--harness", "piqa", "--model", "m", "--data", "no-such"],
            "--data: no-such: cannot read: No such file or directory",
        ),
    ],
)
def test_flags_that_do_not_go_together(sft: Any, words: list[str], message: str) -> None:
    done = sft("score", *words)
    assert done.code == 2
    assert message in done.err


def test_a_missing_package_is_named_with_its_cure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], data: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = run_command(monkeypatch, capsys, "score", "--harness", "piqa", "--model", "m", "--data", data)
    assert done.code == 2
    assert "--harness: needs the package lm_eval\nhint: pip install 'lm-eval[hf]>=0.4.13,<0.5'" in done.err


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "piqa.jsonl: no rows"),
        ([1], "piqa.jsonl:1: expected a JSON object, got int"),
        ([{"a": 1}, {"a": "1"}], 'piqa.jsonl:1, got "1"'),
        ([{"a": True}, {"a": 0}], "a: expected true or false as in"),
        ([{"a": "2020-01-01"}, {"a": "2021-12-31 10:00"}], 'a: expected text, got only dates ("2020-01-01")'),
        (
            [{"choices": [{"text": "x", "label": "A"}]}],
            'choices: expected {"text": […], "label": […]}, got a list of objects',
        ),
    ],
)
def test_data_that_would_be_misread_is_refused_at_once(tmp_path: Path, rows: list[Any], message: str) -> None:
    write(tmp_path / "piqa.jsonl", rows)
    with pytest.raises(UserError, match=r"(?s).+") as caught:
        task_files(str(tmp_path), ["piqa"], None)
    assert message in str(caught.value)


def test_what_reads_as_it_stands_is_let_pass(tmp_path: Path) -> None:
    write(tmp_path / "piqa.jsonl", [{"a": "2020-01-01", "b": 1, "c": None}, {"a": "soon", "b": 0.5}])
    assert task_files(str(tmp_path), ["piqa"], None)[0].rows == 2


def test_a_null_counts_where_the_task_reads_it(stub: None, tmp_path: Path) -> None:
    rows = [{"q": "?", "label": 0, "note": None}, {"q": None, "label": 0, "note": "x"}]
    write(tmp_path / "bare.jsonl", rows)
    with pytest.raises(UserError, match=r"bare\.jsonl: row 2: q: expected a value, got null or nothing") as caught:
        worker.answer(request(tmp_path, "bare"), tmp_path)
    assert "1 bad row\n" in str(caught.value)  # the note is not read
    write(tmp_path / "bare.jsonl", [{"q": "?", "label": None}])
    with pytest.raises(UserError, match="row 1: label: expected a value, got null or nothing"):
        worker.answer(request(tmp_path, "bare"), tmp_path)


def test_the_three_formats_are_read_and_two_files_of_one_task_are_not(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    rows = [{"a": "2020-01-01", "b": n} for n in range(3)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "one.parquet")
    (tmp_path / "two.json").write_text(json.dumps([{"b": 1}]))
    write(tmp_path / "three.json", [{"b": 1}, {"b": 2}])
    assert [each.rows for each in task_files(str(tmp_path), ["one", "two", "three"], None)] == [3, 1, 2]
    (tmp_path / "bad.json").write_text("[1")
    with pytest.raises(UserError, match=r"bad\.json: expected a list of JSON objects"):
        task_files(str(tmp_path), ["bad"], None)
    (tmp_path / "items.json").write_text("[1]")
    with pytest.raises(UserError, match=r"items\.json: row 1: expected an object, got 1"):
        task_files(str(tmp_path), ["items"], None)
    (tmp_path / "worse.parquet").write_text("no")
    with pytest.raises(UserError, match=r"worse\.parquet: cannot read"):
        task_files(str(tmp_path), ["worse"], None)
    write(tmp_path / "one.jsonl", [{"b": 1}])
    with pytest.raises(UserError, match=r"expected one file for one, got one\.jsonl, one\.parquet"):
        task_files(str(tmp_path), ["one"], None)


def test_examples_are_of_the_same_format_and_never_the_rows_that_are_asked(tmp_path: Path, data: Path) -> None:
    write(data / "piqa.train.jsonl", PIQA[:2])
    with pytest.raises(UserError, match=r"piqa\.train\.jsonl:1: 2 of 2 examples are also in the rows to evaluate"):
        task_files(str(data), ["piqa"], None)
    assert task_files(str(data), ["piqa"], 0)[0].train is not None
    (data / "piqa.train.jsonl").unlink()
    (data / "piqa.train.parquet").write_text("")
    with pytest.raises(UserError, match=r"piqa\.train\.parquet: expected the file type of piqa\.jsonl"):
        task_files(str(data), ["piqa"], None)


@pytest.mark.parametrize(
    ("task", "rows", "message"),
    [
        ("glue", None, "glue is a group of tasks\nhint: name the tasks that you have data for: cola, rte"),
        ("mmlu", None, "name the tasks that you have data for: a, b"),
        ("squadv2", None, "squadv2 is written in Python"),
        ("pica", None, "lm-eval has no task 'pica'. Did you mean 'piqa'?"),
        ("boolq", None, "no rows for boolq: expected boolq.jsonl, .json or .parquet"),
        ("record", [{"label": 0}], "cannot set up record with"),
        ("record", [{"label": 0}], "ModuleNotFoundError: No module named 'transformers.data.metrics'\nhint:"),
        ("stubborn", [{"q": "?", "label": 0}], "stubborn has fixed data and would not read"),
        ("short", [{"q": "?", "label": 0}] * 2, "expected lm-eval to read 2 rows, got 1"),
        ("code", [{"q": "?", "label": 0}], "code runs code that the model writes"),
        ("piqa", [{"goal": "x", "sol1": "a", "label": 0}], "row 1: does not fit the task: KeyError: 'sol2'"),
        (
            "piqa",
            [{"goal": "x", "sol1": "a", "sol2": "", "label": 0}],
            'expected a list of texts to choose from, got ["a", ""]',
        ),
        ("bare", [{"q": "?", "label": -1}], "expected a label from 0 to 1, got -1 (a hidden test label)"),
        ("bare", [{"q": "?", "label": 2}], "row 1: expected a label from 0 to 1, got 2"),
        ("bare", [{"q": "?", "label": 0.5}], "expected a label from 0 to 1, got 0.5"),
        (
            "bare",
            [{"q": "?", "label": "1"}],
            'expected a label among the choices ["no", "yes"], got "1"; write it as a number',
        ),
    ],
)
def test_what_would_end_in_a_wrong_figure_is_refused_before_the_model_is_loaded(
    stub: None, tmp_path: Path, task: str, rows: list[Any] | None, message: str
) -> None:
    if rows is not None:
        write(tmp_path / f"{task}.jsonl", rows)
    with pytest.raises(UserError, match=r"(?s).+") as caught:
        worker.answer(request(tmp_path, task), tmp_path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("task", "shots", "message"),
    [
        ("piqa", 2, "--shots: piqa uses 2 examples; without a file of examples lm-eval would draw them from the rows"),
        ("taught", None, "--shots: taught uses 5 examples by default; without a file"),
        ("bare", 2, "--shots: bare always uses 0 examples, so lm-eval would ignore 2"),
    ],
)
def test_examples_are_never_drawn_from_the_rows_that_are_asked(
    stub: None, data: Path, tmp_path: Path, task: str, shots: int | None, message: str
) -> None:
    for name in ("taught", "bare"):
        write(data / f"{name}.jsonl", [{"q": "?", "label": 0}])
    with pytest.raises(UserError, match=r"(?s).+") as caught:
        worker.answer(request(data, task, shots=shots), tmp_path)
    assert message in str(caught.value)


def test_a_label_that_is_one_of_the_choices_is_right_as_text(stub: None, tmp_path: Path) -> None:
    write(tmp_path / "bare.jsonl", [{"q": "?", "label": "yes"}, {"q": "!", "label": "no"}])
    with pytest.raises(UserError, match="m: no such checkpoint directory"):  # the model comes after all checks
        worker.answer(request(tmp_path, "bare", model="./m"), tmp_path)


@pytest.mark.slow
def test_a_task_with_published_test_figures_says_so(sft: Any, tmp_path: Path) -> None:
    data = write(tmp_path / "data" / "arc.jsonl", [{"q": "?", "label": 0}]).parent
    done = sft("score", "--harness", "arc", "--model", model(tmp_path / "m"), "--data", data)
    assert "arc: 1 of 1 row of arc.jsonl, in place of the test split of the task" in done.err


@pytest.mark.slow
def test_changed_rows_and_prompts_are_not_compared(sft: Any, data: Path, tmp_path: Path) -> None:
    words = ("score", "--harness", "piqa", "--model", model(tmp_path / "m"), "--data", data, "--quiet")
    first = sft(*words).rows
    write(data / "piqa.jsonl", [PIQA[0], {**PIQA[1], "sol2": "a third"}, *PIQA[2:]])
    second = sft(*words).rows
    assert [a["id"] == b["id"] for a, b in zip(first, second, strict=True)] == [True, False, True, True, True]
    write(data / "piqa.train.jsonl", [{**PIQA[0], "goal": "new"}])
    third = sft(*words, "--shots", 1).rows
    write(data / "piqa.train.jsonl", [{**PIQA[0], "goal": "newer"}])
    fourth = sft(*words, "--shots", 1).rows
    key = "harness:measure=acc"
    assert len({rows[0]["signatures"][key] for rows in (first, third, fourth)}) == 3


def test_a_model_that_cannot_be_loaded_is_named(
    stub: None, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_HAS_NO_MODEL", "1")
    with pytest.raises(
        UserError, match=r"^--model: org/m: cannot load: We couldn't connect to the hub\nhint: --harness"
    ):
        worker.answer(request(data, "piqa", model="org/m"), tmp_path)


def test_an_older_lm_eval_is_refused(stub: None, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lm_eval.tasks import TaskManager

    monkeypatch.delattr(TaskManager, "load")
    with pytest.raises(UserError, match=r"needs lm-eval 0\.4\.13 or newer, got 0\.4\.13\nhint: pip install 'lm-eval"):
        worker.answer(request(data, "piqa"), tmp_path)


def test_an_adapter_is_put_on_its_base(stub: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sft_cli.model.device.multiplies_bfloat16", lambda: True)
    base, adapter = model(tmp_path / "base"), tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(base)}))
    (adapter / "tokenizer_config.json").write_text("{}")
    wanted = {"model": str(adapter), "device": "cpu", "dtype": "bfloat16"}
    expected = {"pretrained": str(base), "peft": str(adapter), "tokenizer": str(adapter), "dtype": "bfloat16"}
    assert worker.model_arguments(wanted) == ("cpu", {**expected, "softmax_dtype": "float32"})


@pytest.mark.slow
def test_rows_are_grouped_by_a_column_of_the_data(sft: Any, tmp_path: Path) -> None:
    data = write(
        tmp_path / "data" / "bare.jsonl", [{"q": str(n), "label": n % 2, "topic": "ab"[n % 2]} for n in range(4)]
    )
    words = ("score", "--harness", "bare", "--model", model(tmp_path / "m"), "--data", data.parent, "--by", "topic")
    done = sft(*words, "--draws", 0)
    assert [row["topic"] for row in done.rows] == ["a", "b", "a", "b"]
    assert "harness:measure=acc  a      1.0000" in done.err


@pytest.mark.slow
def test_lm_eval_itself_agrees(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], data: Path, tmp_path: Path, tiny: Path
) -> None:
    pytest.importorskip("lm_eval")
    out = tmp_path / "s.jsonl"
    words = ("score", "--harness", "piqa,boolq", "--model", tiny, "--data", data, "--device", "cpu", "-o", out)
    done = run_command(monkeypatch, capsys, *words)
    assert done.code == 0, done.err
    summary = json.loads((tmp_path / "s.jsonl.summary.json").read_text())
    for task in ("piqa", "boolq"):
        for measure, value in summary["harness"]["tasks"][task]["aggregates"].items():
            ours = summary["groups"][task]["metrics"][f"harness:measure={measure}"]["value"]
            assert ours == pytest.approx(value, abs=1e-12)
