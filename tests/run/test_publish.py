"""Killed at any point, given again: the same files, no more, no less; and never two at one output."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sft_cli import cli
from sft_cli.run import lock
from sft_cli.run.context import Run
from sft_cli.run.flags import Common, fields_of
from sft_cli.run.output import put_in_place, remove_folder, saved_states

SFT = [sys.executable, "-m", "sft_cli"]
EVENTS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate")
VARIES = ("seconds", "started", "sha256", "bytes")


class Killed(BaseException):
    """What a process meets that is killed: it does nothing any more, not even what stands in `finally`."""


class Killer:
    """Counts what is done to files of a folder; from the event number `at` on, nothing is done any more."""

    def __init__(self) -> None:
        self.folder, self.at, self.seen = "", 0, 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.folder:
            return
        if event == "open":
            path, _, flags = arguments
            if not (flags or 0) & (os.O_WRONLY | os.O_RDWR):
                return
        elif event in EVENTS:
            path = arguments[0]
        else:
            return
        if isinstance(path, str | os.PathLike) and os.path.abspath(path).startswith(self.folder):
            self.seen += 1
            if 0 < self.at <= self.seen:
                raise Killed


KILLER = Killer()
sys.addaudithook(KILLER)  # which nothing removes


@pytest.fixture
def events(sft: Any, here: Path) -> Iterator[Callable[..., int]]:
    """`events(*words, at=3)`: how many events the command has, killed before the third."""

    def run(*words: str, at: int = 0, stdin: bytes = b"") -> int:
        KILLER.folder, KILLER.at, KILLER.seen = str(here), at, 0
        try:
            sft(*words, stdin=stdin)
        except Killed:
            lock._forget()  # the kernel closes what a dead process had open
        finally:
            KILLER.folder = ""
        return KILLER.seen

    yield run
    KILLER.folder = ""


def files(folder: Path) -> dict[str, Any]:
    """The content of every file, but for what varies between equal runs."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            found[str(path.relative_to(folder))] = without(json.loads(text)) if path.suffix == ".json" else text
    return found


def without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without(each) for key, each in value.items() if key not in VARIES}
    return [without(each) for each in value] if isinstance(value, list) else value


@pytest.fixture
def inputs(sft: Any, here: Path) -> Callable[[], None]:
    """Empties the folder, and writes the inputs of all commands."""
    asked = [{"role": "user", "content": "q"}]
    rows = [{"messages": [*asked, {"role": "assistant", "content": f"a{n}"}]} for n in range(9)]
    texts = {"rows.jsonl": "".join(json.dumps(row) + "\n" for row in rows) + "bad\n"}
    common = {"sample": 0, "finish_reason": "stop", "error": None, "references": ["a"], "messages": asked}
    for name, right in (("base", 9), ("tuned", 0)):
        said = [{"id": f"r{n}", **common, "completion": "a" if n < right else "b"} for n in range(9)]
        texts[f"{name}.jsonl"] = "".join(json.dumps(row) + "\n" for row in said)
        (here / "x.jsonl").write_text(texts[f"{name}.jsonl"])
        texts[f"{name}.scores"] = sft("score", "x.jsonl", "--metric", "exact-match").out

    def write() -> None:
        for path in sorted(here.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        for name, text in texts.items():
            (here / name).write_text(text)

    write()
    return write


COMMANDS = {
    "prep": "prep rows.jsonl -o new/out.jsonl --rejects bad.jsonl --manifest m.json",
    "prep --split": "prep rows.jsonl --split a=0.5,b=0.5 -o new/parts --rejects bad.jsonl --manifest m.json",
    "score": "score base.jsonl --metric exact-match -o out.jsonl --rejects bad.jsonl",
    "score of a stream": "score base.jsonl --metric exact-match --summary s.json --rejects bad.jsonl",
    "compare": "compare base.scores tuned.scores --fail-if-worse exact-match -o out.txt",
    "replay-build to stdout": "replay-build rows.jsonl --rows 3 --rejects bad.jsonl",
    "replay-build": "replay-build rows.jsonl --rows 3 --on-error skip -o out.jsonl",
}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_command_killed_at_any_point_and_given_again_leaves_what_one_run_leaves(
    sft: Any, here: Path, events: Any, inputs: Any, command: str
) -> None:
    words = command.split()
    undisturbed = sft(*words)
    assert undisturbed.code < 2, undisturbed.err
    want = files(here)
    inputs()
    count = events(*words)
    assert count > 2
    for at in range(1, count + 1):
        inputs()
        events(*words, at=at)
        again = sft(*words)
        assert (again.code, files(here)) == (undisturbed.code, want), f"event {at} of {count}: {again.err}"


@dataclass(frozen=True, kw_only=True)
class FolderSettings(Common):
    """Of a command that writes a folder."""


def make_folder(settings: FolderSettings, run: Run) -> None:
    """Leaves states on its way, as training does, and removes an older one."""
    with run.output_directory(resumes=True) as partial:
        for step in range(1 + len(saved_states(partial)), 4):
            state = partial / f"step-00000{step}"
            (partial / "tmp").mkdir(exist_ok=True)
            for name in ("weights", "state.json"):
                (partial / "tmp" / name).write_text(f"{{{step}")
            put_in_place(partial / "tmp", state)
        remove_folder(partial / "step-000001")
        (partial / "weights").write_text("w")


@pytest.mark.slow
@pytest.mark.parametrize("older", [False, True])
def test_a_folder_killed_at_any_point_and_made_again_is_the_folder_of_one_run(
    here: Path, inputs: Any, older: bool
) -> None:
    values = {field.name: field.default for field in fields_of(FolderSettings)}
    values |= {"out": "run", "manifest": "m.json", "force": older}

    def run(at: int = 0) -> int:
        KILLER.folder, KILLER.at, KILLER.seen = str(here), at, 0
        try:
            return cli.run_command("fake", make_folder, FolderSettings, values)
        except Killed:
            lock._forget()
        finally:
            KILLER.folder = ""
        return 0

    def begin() -> None:
        inputs()
        if older:
            (here / "run").mkdir()
            for name in ("manifest.json", "old"):
                (here / "run" / name).write_text("{}")

    begin()
    assert run() == 0
    count, want = KILLER.seen, files(here)
    assert {name for name in want if "run" in name} == {"run/manifest.json", "run/weights"}
    for at in range(1, count + 1):
        begin()
        run(at)
        assert run() == 0
        assert files(here) == want, f"event {at} of {count}"


class PathSettings(FolderSettings):
    """Of a command that prints where its folder is, for `ckpt=$(sft train …)`."""

    prints_path = True


def test_a_current_folder_is_printed_as_a_new_one_is(here: Path, capsys: Any) -> None:
    values = {field.name: field.default for field in fields_of(PathSettings)}
    for _ in range(2):
        capsys.readouterr()
        assert (
            cli.run_command("fake", make_folder, PathSettings, {**values, "out": "run", "skip_if_current": True}) == 0
        )
    assert capsys.readouterr() == ("run\n", "sft fake: run is up to date\n")


@pytest.fixture
def half_published(events: Any, inputs: Any) -> Callable[..., None]:
    """Kills a command that writes out.jsonl when some of its files are in their places and others are not."""

    def kill(*words: str, stdin: bytes = b"") -> None:
        for at in range(1, 99):
            inputs()
            events(*words, at=at, stdin=stdin)
            if Path("out.jsonl").exists():
                assert not Path("out.jsonl.meta.json").exists()
                return
        raise AssertionError("it never was")

    return kill


PREP = ("prep", "rows.jsonl", "--on-error", "skip", "-o", "out.jsonl")


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.meta.json"])
def test_a_file_that_was_changed_or_has_come_since_is_not_replaced(
    sft: Any, here: Path, half_published: Any, name: str
) -> None:
    half_published(*PREP)
    Path(name).write_text("mine")
    done = sft(*PREP)
    assert (done.code, Path(name).read_text()) == (2, "mine")
    assert "out.jsonl: already exists" in done.err
    assert not [path for path in here.iterdir() if path.name.startswith(".")]


def test_another_command_finishes_what_was_begun_and_is_refused(sft: Any, here: Path, half_published: Any) -> None:
    half_published(*PREP)
    other = sft(*PREP, "--limit", "2")
    assert (other.code, len(Path("out.jsonl").read_text().splitlines())) == (2, 9)
    assert "out.jsonl: already exists" in other.err
    assert sft(*PREP, "--skip-if-current").err == "sft prep: out.jsonl is up to date\n"


def test_what_came_from_stdin_is_made_again(sft: Any, here: Path, half_published: Any) -> None:
    rows = [b'{"sample":0,"error":null,"references":["a"],"id":"%d","completion":"a"}\n' % n for n in range(2)]
    half_published("score", "-", "-o", "out.jsonl", stdin=b"".join(rows))
    done = sft("score", "-", "-o", "out.jsonl", stdin=rows[1])
    assert (done.code, len(Path("out.jsonl").read_text().splitlines())) == (0, 1)


def test_a_check_says_what_it_finds_and_leaves_the_rest(sft: Any, here: Path, half_published: Any) -> None:
    half_published(*PREP)
    assert sft(*PREP, "--check").code == 1
    assert not Path("out.jsonl.meta.json").exists()


def test_a_no_stays_a_no_when_the_output_is_current(sft: Any, here: Path, inputs: Any) -> None:
    words = COMMANDS["compare"].split()
    first, second = sft(*words), sft(*words, "--skip-if-current")
    assert (first.code, second.code, second.err) == (1, 1, first.err)


@pytest.mark.parametrize("gone", ["out.jsonl.summary.json", "bad.jsonl"])
def test_an_output_without_its_other_files_is_not_current(sft: Any, here: Path, inputs: Any, gone: str) -> None:
    words = (*COMMANDS["score"].split(), "--skip-if-current")
    assert sft(*words).code == 0
    assert sft(*words).err == "sft score: out.jsonl is up to date\n"
    Path(gone).unlink()
    assert "is up to date" not in sft(*words).err
    assert Path(gone).exists()


def test_one_output_is_written_by_one_process_at_a_time(sft: Any, here: Path, inputs: Any) -> None:
    """The second is refused, and when the first is killed its lock is gone with it."""
    words = ["prep", "-", "rows.jsonl", "--on-error", "skip", "-o", "out.jsonl"]
    with subprocess.Popen([*SFT, *words], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as first:
        while not list(here.glob(".out.jsonl.*.tmp")):  # it reads
            assert first.poll() is None
            time.sleep(0.01)
        for other in (words, ["prep", "rows.jsonl", "-o", "out.jsonl", "--force"]):
            refused = sft(*other)
            assert (refused.code, refused.out) == (2, "")
            assert refused.err.startswith("sft prep: out.jsonl: another sft process is writing it\nhint: ")
        first.send_signal(signal.SIGKILL)
    left = set(here.iterdir())
    assert sft(*words).code == 0
    assert {path.name for path in left} - {path.name for path in here.iterdir()} == {
        path.name for path in left if path.name.startswith(".")
    }


@pytest.mark.parametrize(
    "words",
    [
        "train rows.jsonl --model nowhere -o runs/a",
        "distill rows.jsonl --model nowhere --teacher nowhere -o runs/a",
        "export nowhere -o runs/a",
        "generate nowhere rows.jsonl -o runs/a",
        "replay-build rows.jsonl --rows 3 --on-error skip -o runs/a",
        "compare base.scores tuned.scores -o runs/a --force",
    ],
)
def test_every_command_leaves_an_output_alone_that_another_process_writes(
    sft: Any, here: Path, inputs: Any, words: str
) -> None:
    (here / "runs").mkdir()
    other = lock.Lock(lock.lock_path(here / "runs" / "a"))
    assert sft(*words.split()).err.startswith(f"sft {words.split()[0]}: runs/a: another sft process is writing it\n")
    assert [path.name for path in (here / "runs").iterdir()] == [".a.lock"]
    other.release()


def test_a_worker_that_outlives_its_parent_does_not_keep_the_lock(tmp_path: Path) -> None:
    held = lock.Lock(tmp_path / "lock")
    (is_up, says_up), (ends, says_end) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(says_end)
        os.write(says_up, b"no" if held.is_held else b"let go")
        os.read(ends, 1)
        os._exit(0)
    assert os.read(is_up, 9) == b"let go"
    held.release(removes=False)
    lock.Lock(tmp_path / "lock").release()
    os.close(says_end)
    os.waitpid(child, 0)
    for handle in (is_up, says_up, ends):
        os.close(handle)


def test_a_lock_of_another_user_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = lock.Lock(tmp_path / "lock")
    held.write({"temporary": ["x"]})
    assert held.lines() == [{"temporary": ["x"]}]
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert held.lines() == []
    held.release()


def test_one_process_makes_what_others_wait_for(tmp_path: Path) -> None:
    """Eight threads, each with a file handle of its own, which is what tells processes apart too."""
    made, inside = [], []

    def work() -> None:
        with lock.waiting_turn(tmp_path / "made"):
            inside.append(1)
            assert len(inside) == 1
            if not made:
                made.append(1)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert made == [1]
    assert list(tmp_path.iterdir()) == []
