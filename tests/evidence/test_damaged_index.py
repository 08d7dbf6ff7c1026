"""An index that is damaged, old or not an index is refused by name, and can be built again; it never finds less."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from sft_cli.evidence.index.arrays import new_array
from sft_cli.evidence.index.damage import PART_BYTES, PARTS, check_files, file_marks
from sft_cli.evidence.index.search_index import CHECKED_FILES

SEARCH = ("retrieve", "--index", "idx", "prompts.jsonl")
BUILD = ("retrieve", "--corpus", "docs", "--index", "idx", "--index-only")
HINT = "hint: --corpus FILES --index-only --force builds it again\n"


@pytest.fixture
def index(here: Path, sft: Any) -> Path:
    Path("docs").mkdir()
    Path("docs/a.md").write_text("The currency of Japan is the yen.\n")
    Path("docs/b.md").write_text("The euro has one hundred cents.\n")
    Path("prompts.jsonl").write_text('{"id":"q","messages":[{"role":"user","content":"currency of Japan"}]}\n')
    assert sft(*BUILD).code == 0
    return here / "idx"


DAMAGES = {
    "half": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "longer": lambda data: data + b"12345678",
    "random": lambda data: random.Random(1).randbytes(len(data)),
}


@pytest.mark.parametrize("how", [*DAMAGES, "gone", "folder"])
@pytest.mark.parametrize("name", CHECKED_FILES)
def test_a_damaged_file_is_named_and_the_hint_cures_it(index: Path, sft: Any, name: str, how: str) -> None:
    path = index / name
    whole = path.read_bytes()
    if how in DAMAGES:
        path.write_bytes(DAMAGES[how](whole))
    else:
        path.unlink()
        if how == "folder":
            path.mkdir()
    result = sft(*SEARCH)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("sft retrieve: --index: idx: the index is damaged: ")
    assert name in result.err.splitlines()[0]
    assert result.err.endswith(HINT)
    if how == "half":
        assert sft(*BUILD, "--force").code == 0
        assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "index.json: not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"\xff", "index.json: not JSON: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        (b"[]", "index.json: expected an object, got []"),
        (b"{}", ": expected an index of version 2.1, got one of version None.None"),
        (b'{"version": 2, "words_version": 1}', "index.json: documents: expected a number, got null"),
    ],
)
def test_a_bad_index_json_is_refused_and_built_again_from_a_corpus(
    index: Path, sft: Any, content: bytes, problem: str
) -> None:
    (index / "index.json").write_bytes(content)
    result = sft(*SEARCH)
    assert result.code == 2
    first, hint = result.err.splitlines()
    assert first.endswith(problem)
    assert hint == "hint: --corpus FILES builds it again"
    assert sft(*BUILD).code == 0
    assert sft(*SEARCH).code == 0


def test_a_folder_without_index_json_is_not_replaced(index: Path, sft: Any) -> None:
    (index / "index.json").unlink()
    result = sft(*BUILD, "--force")
    assert (result.code, result.err) == (
        2,
        "sft retrieve: --index: idx: not replaced: it has no index.json, so it was not made by sft\n"
        "hint: remove the folder, or use another --index\n",
    )


@pytest.mark.parametrize(
    ("words", "problem"),
    [(SEARCH, "expected the folder of an index, got a file"), (BUILD, "expected a folder, got a file")],
)
def test_a_file_is_not_an_index(here: Path, sft: Any, words: tuple[str, ...], problem: str) -> None:
    Path("docs").mkdir()
    Path("docs/a.md").write_text("yen")
    Path("prompts.jsonl").write_text('{"id":"q","text":"yen"}\n')
    Path("idx").write_text("mine")
    result = sft(*words)
    assert (result.code, result.err) == (2, f"sft retrieve: --index: idx: {problem}\n")
    assert Path("idx").read_text() == "mine"


def test_a_change_of_any_document_that_is_read_builds_the_index_again(here: Path, sft: Any) -> None:
    Path("docs").mkdir()
    # Names of files that a run writes about itself, and that are documents here.
    for name, old, new in (("README.md", "The yen.", "The euro."), ("metrics.jsonl", '{"text":"a"}', '{"text":"b"}')):
        Path("docs", name).write_text(old)
        assert sft(*BUILD).code == 0
        assert "up to date" in sft(*BUILD).err
        Path("docs", name).write_text(new)
        assert "built again, because this changed: corpus" in sft(*BUILD).err
    os.symlink("nowhere", "docs/gone.txt")
    result = sft(*BUILD)
    assert (result.code, result.err) == (2, "sft retrieve: docs/gone.txt: cannot read: No such file or directory\n")


def test_a_stopped_run_whose_files_are_damaged_starts_again(index: Path, sft: Any) -> None:
    whole = {path.name: path.read_bytes() for path in index.iterdir()}
    request = {
        name: json.loads(whole["index.json"])[name] for name in ("corpus", "chunk_tokens", "overlap_tokens", "map")
    }
    partial = index.with_name("idx.partial")
    index.rename(partial)
    (partial / "index.json").unlink()
    for content in ("[]", json.dumps({"request": request, "read": 1, "sizes": {"new_words.jsonl": 3}})):
        (partial / "new_words.jsonl").write_bytes(b"\xff{x")
        (partial / "building.json").write_text(content)
        assert sft(*BUILD, "--force").code == 0
        assert {path.name: path.read_bytes() for path in index.iterdir()} == whole
        index.rename(partial)


def test_a_full_disk_is_an_error_before_the_first_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Into a file of holes the kernel would answer the write with SIGBUS, and the process would end without a word.
    def full(*words: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(OSError, match="No space left"):
        new_array(tmp_path, "word_scores", 1000)


def test_a_large_file_is_compared_in_parts(tmp_path: Path) -> None:
    size = 2 * PARTS * PART_BYTES
    (tmp_path / "a").write_bytes(bytes(size))
    marks = file_marks(tmp_path, ["a"])
    check_files(tmp_path, ["a"], marks)
    for place in (0, size - 1):
        data = bytearray(size)
        data[place] = 1
        (tmp_path / "a").write_bytes(data)
        with pytest.raises(ValueError, match="a: its content changed"):
            check_files(tmp_path, ["a"], marks)
