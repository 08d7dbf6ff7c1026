"""Manifests say what made an output; fingerprints change when, and only when, the result may."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest

from sft_cli.run import manifest
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.run.flags import Common, Flag, ReadsRows


@dataclass(frozen=True, kw_only=True)
class Settings(Common, ReadsRows):
    """A command with inputs, a model and a number."""

    inputs: Annotated[list[str], Flag("files", positional=True, reads=True)] = field(default_factory=list)
    model: Annotated[str | None, Flag("a directory or a name", reads=True)] = None
    template: Annotated[str | None, Flag("a name or a file", reads=True, suffix=".j2")] = None
    stages: Annotated[list[str], Flag("files, some joined", reads=True, joined=",")] = field(default_factory=list)
    rate: Annotated[float, Flag("a number")] = 1.0
    seed: Annotated[int, Flag("seed")] = 7
    threads: Annotated[int, Flag("a matter of speed", neutral=True)] = 1


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_text("a\n")
    Path("model").mkdir()
    Path("model/weights").write_text("w")
    return tmp_path


def fingerprint(command: str = "fake", **values: Any) -> str:
    values = {"inputs": ["a.jsonl"], "model": "model", **values}
    return manifest.describe(command, Settings(**values))["fingerprint"]


def write(**values: Any) -> Run:
    run = Run("fake", Settings(inputs=["a.jsonl"], **values), ["fake", "a.jsonl"])
    with run.output() as sink:
        sink.write("result\n")
    return run


def test_a_manifest_lies_beside_the_output_and_names_all_that_made_it() -> None:
    write(out="out.jsonl")
    found = json.loads(Path("out.jsonl.meta.json").read_text())
    assert list(found) == [
        *("schema", "command", "config", "inputs", "versions", "seed", "argv", "outputs", "git", "fingerprint", "run")
    ]
    sha = "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7"  # printf 'a\n' | sha256sum
    assert found["inputs"] == [{"path": "a.jsonl", "sha256": sha, "bytes": 2}]
    assert [(entry["path"], entry["bytes"]) for entry in found["outputs"]] == [("out.jsonl", 7)]
    assert found["outputs"][0]["sha256"] == manifest.file_hash(Path("out.jsonl"))
    assert (found["command"], found["argv"], found["seed"]) == ("fake", ["fake", "a.jsonl"], 7)
    assert found["config"] == {
        "inputs": ["a.jsonl"],
        "model": None,
        "template": None,
        "stages": [],
        "rate": 1.0,
        "seed": 7,
        "on_error": "stop",
        "limit": None,
        "max_line_bytes": 8 << 20,
    }
    assert {"sft", "python", "torch", "transformers"} <= set(found["versions"])
    assert set(found["run"]) == {"started", "seconds", "host"}


def test_a_fingerprint_changes_with_whatever_may_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    first = fingerprint()
    assert first == fingerprint()
    assert first != fingerprint(rate=2.0)
    assert first != fingerprint(seed=8)
    assert first != fingerprint(on_error="skip")
    assert first != fingerprint(limit=1)
    assert first != fingerprint("other")
    assert first != fingerprint(inputs=["a.jsonl", "a.jsonl"])
    Path("a.jsonl").write_text("b\n")
    assert first != fingerprint()
    Path("a.jsonl").write_text("a\n")
    Path("model/weights").write_text("v")
    assert first != fingerprint()
    Path("model/weights").write_text("w")
    assert first == fingerprint()
    monkeypatch.setattr(manifest, "__version__", "9.9.9")
    assert first != fingerprint()


def test_a_fingerprint_does_not_change_with_what_cannot_change_the_result() -> None:
    first = fingerprint()
    for values in (
        {"quiet": True}, {"out": "x"}, {"force": True}, {"manifest": "m"}, {"threads": 8}, {"rejects": "r"},
        {"skip_if_current": True}, {"config": "c.toml"},
    ):  # fmt: skip
        assert fingerprint(**values) == first, values
    Path("a.jsonl").rename("b.jsonl")
    Path("model").rename("other")
    assert fingerprint(inputs=["b.jsonl"], model="other") == first
    Path("other/README.md").write_text("written at noon")
    assert fingerprint(inputs=["b.jsonl"], model="other") == first


def test_a_model_that_is_only_a_name_counts_by_its_name() -> None:
    assert fingerprint(model="hub/a") == fingerprint(model="hub/a") != fingerprint(model="hub/b")


def test_a_name_is_told_from_a_file_by_its_suffix() -> None:
    Path("t.j2").write_text("t")
    first, named = fingerprint(template="t.j2"), fingerprint(template="t")
    assert len({first, named, fingerprint(template="u"), fingerprint()}) == 4
    Path("t").write_text("a file called as the template is")
    assert (fingerprint(template="t"), fingerprint(template="t.j2")) == (named, first)
    assert manifest.input_paths(Settings(template="t")) == []
    Path("t.j2").write_text("changed")
    assert fingerprint(template="t.j2") != first


def test_an_output_is_current_until_something_changes() -> None:
    assert write(out="out.jsonl").is_current()
    assert Run("fake", Settings(inputs=["a.jsonl"], out="out.jsonl", quiet=True), []).is_current()
    assert not Run("fake", Settings(inputs=["a.jsonl"], out="out.jsonl", rate=2.0), []).is_current()
    assert not Run("fake", Settings(inputs=["a.jsonl"], out="other.jsonl"), []).is_current()
    Path("a.jsonl").write_text("b\n")
    assert not Run("fake", Settings(inputs=["a.jsonl"], out="out.jsonl"), []).is_current()


@pytest.mark.parametrize("damage", [b"", b"[]", b"{", b"\xff"])
def test_a_damaged_manifest_is_not_current(damage: bytes) -> None:
    run = write(out="out.jsonl")
    Path("out.jsonl.meta.json").write_bytes(damage)
    assert not run.is_current()


def test_an_output_that_was_edited_or_removed_is_not_current() -> None:
    run = write(out="out.jsonl")
    Path("out.jsonl").write_text("edited\n")
    assert not run.is_current()
    Path("out.jsonl").unlink()
    assert not run.is_current()


def test_what_came_from_stdin_is_never_current() -> None:
    run = Run("fake", Settings(inputs=["-"], out="out.jsonl"), [])
    with run.output() as sink:
        sink.write("result\n")
    assert not run.is_current()


def test_a_current_output_is_touched_so_that_make_sees_it() -> None:
    import os

    run = write(out="out.jsonl")
    os.utime("out.jsonl", (0, 0))
    assert run.is_current()
    assert Path("out.jsonl").stat().st_mtime > 0
    folder = Run("fake", Settings(inputs=["a.jsonl"], out="runs/a"), [])
    make_folder(folder)
    for name in ("weights", "manifest.json"):
        os.utime(f"runs/a/{name}", (0, 0))
    assert folder.is_current()
    assert all(path.stat().st_mtime > 0 for path in Path("runs/a").iterdir())


def test_an_existing_output_is_refused_replaced_or_kept() -> None:
    write(out="out.jsonl")
    with pytest.raises(UserError, match="already exists"):
        write(out="out.jsonl")
    write(out="out.jsonl", force=True)
    write(out="out.jsonl", rate=2.0, skip_if_current=True)
    assert json.loads(Path("out.jsonl.meta.json").read_text())["config"]["rate"] == 2.0
    Path("mine.txt").write_text("not of sft's making")
    with pytest.raises(UserError, match="already exists"):
        write(out="mine.txt", skip_if_current=True)
    assert Path("mine.txt").read_text() == "not of sft's making"


def test_stdout_has_a_manifest_only_if_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    write()
    assert [path.name for path in Path().iterdir() if "json" in path.name] == ["a.jsonl"]
    write(manifest="m.json")
    assert json.loads(Path("m.json").read_text())["outputs"] == []
    write(out="/dev/null", manifest="n.json")
    assert json.loads(Path("n.json").read_text())["outputs"] == []


def make_folder(run: Run) -> None:
    with run.output_directory() as partial:
        (partial / "weights").write_text("w")
        assert not Path(run.settings.out).exists() or run.replaces


def test_a_folder_appears_with_its_manifest() -> None:
    run = Run("fake", Settings(inputs=["a.jsonl"], out="runs/a", manifest="m.json"), [])
    make_folder(run)
    assert sorted(path.name for path in Path("runs").iterdir()) == ["a"]
    assert sorted(path.name for path in Path("runs/a").iterdir()) == ["manifest.json", "weights"]
    assert Path("m.json").read_text() == Path("runs/a/manifest.json").read_text()
    assert run.is_current()
    with pytest.raises(UserError, match="already exists"):
        make_folder(run)
    make_folder(Run("fake", Settings(inputs=["a.jsonl"], out="runs/a", force=True), []))


def test_a_folder_that_fails_leaves_the_old_one() -> None:
    run = Run("fake", Settings(inputs=["a.jsonl"], out="a", force=True), [])
    make_folder(run)
    with pytest.raises(ValueError, match="broken"), run.output_directory() as partial:  # noqa: PT012
        (partial / "weights").write_text("half")
        raise ValueError("broken")
    assert Path("a/weights").read_text() == "w"
    assert run.is_current()


@pytest.mark.parametrize("out", ["-", ".", "..", "a.jsonl"])
def test_a_folder_needs_a_name_of_its_own(out: str) -> None:
    with pytest.raises(UserError, match="directory"):
        make_folder(Run("fake", Settings(out=out, force=True), []))


def test_a_folder_that_sft_did_not_write_is_never_replaced() -> None:
    with pytest.raises(UserError, match="it was not made by sft"):
        make_folder(Run("fake", Settings(out="model", force=True), []))
    assert Path("model/weights").read_text() == "w"


def test_rejects_never_replace_an_input() -> None:
    run = Run("fake", Settings(inputs=["a.jsonl"], rejects="./a.jsonl"), [])
    with pytest.raises(UserError, match="is an input"), run.ledger():
        pytest.fail("the block must not run")
    assert Path("a.jsonl").read_text() == "a\n"


def test_files_that_are_joined_in_one_value_count_by_what_each_holds() -> None:
    for name in ("b", "c"):
        Path(name).write_text(name)
    before = fingerprint(stages=["a.jsonl", "b,c"])
    assert fingerprint(stages=["a.jsonl", "./b,./c"]) == before
    assert fingerprint(stages=["a.jsonl,b", "c"]) != before  # the same files, that mean something else
    assert fingerprint(stages=["a.jsonl", "c,b"]) != before
    Path("c").write_text("another")
    assert fingerprint(stages=["a.jsonl", "b,c"]) != before
    described = manifest.describe("fake", Settings(stages=["b,c"]))
    assert [entry["path"] for entry in described["inputs"]] == ["b", "c"]
    Path("b,c").write_text("one file of that name")
    assert [entry["path"] for entry in manifest.describe("fake", Settings(stages=["b,c"]))["inputs"]] == ["b,c"]
