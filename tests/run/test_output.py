"""Outputs appear whole or not at all, and replace nothing by accident."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TextIO

import pytest

from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.run.flags import Common, Flag, ReadsRows
from sft_cli.run.output import put_in_place, refuse_existing


@dataclass(frozen=True, kw_only=True)
class Settings(Common, ReadsRows):
    """A command that reads nothing."""

    summary: Annotated[str | None, Flag("a file", neutral=True)] = None


@contextlib.contextmanager
def open_output(path: str | Path) -> Iterator[TextIO]:
    """A file that a command writes, less its manifest."""
    run = Run("fake", Settings(out="-", force=True, summary=str(path)), [])
    with run.output(str(path), has_manifest=False) as sink:
        yield sink


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_the_block_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "a.jsonl"
    with open_output(target) as sink:
        sink.write("你好\n")
        assert not target.exists()
    assert target.read_bytes() == "你好\n".encode()
    assert names(target.parent) == ["a.jsonl"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, BrokenPipeError])
def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "a.jsonl"
    target.write_text("old")
    with pytest.raises(error), open_output(target) as sink:  # noqa: PT012
        sink.write("half")
        raise error
    assert (target.read_text(), names(tmp_path)) == ("old", ["a.jsonl"])


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_permissions_follow_the_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        with open_output(tmp_path / "a"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_dash_is_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    with open_output("-") as sink:
        sink.write("row\n")
    assert capsys.readouterr().out == "row\n"


def test_a_directory_is_refused_before_the_work(tmp_path: Path) -> None:
    for path in (tmp_path, "."):
        with pytest.raises(UserError, match="is a directory"), open_output(path):
            pytest.fail("the block must not run")


def test_a_path_that_cannot_be_is_the_users_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"), open_output(tmp_path / "file" / "a"):
        pytest.fail("the block must not run")


def test_a_named_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    with open_output(pipe) as sink:
        sink.write("row\n")
    reader.join(timeout=30)
    assert (got, pipe.is_fifo(), names(tmp_path)) == (["row\n"], True, ["pipe"])


def test_devices_are_never_renamed_over() -> None:
    with open_output("/dev/null") as sink:
        sink.write("row\n")
    assert Path("/dev/null").is_char_device()
    refuse_existing("/dev/null", force=False)


def test_an_existing_output_is_refused_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    refuse_existing(tmp_path / "none", force=False)
    refuse_existing(tmp_path / "folder", force=False)  # empty
    (tmp_path / "folder" / "x").touch()
    for name in ("file", "folder"):
        with pytest.raises(UserError, match="already exists\nhint: --force replaces it"):
            refuse_existing(tmp_path / name, force=False)
        refuse_existing(tmp_path / name, force=True)


def test_a_folder_replaces_an_older_one(tmp_path: Path) -> None:
    for name in ("a", "a.partial"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    put_in_place(tmp_path / "a.partial", tmp_path / "a")
    assert (names(tmp_path), names(tmp_path / "a")) == (["a"], ["a.partial"])
