"""The files of one output appear together: written under a lock, listed, and then renamed into place."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from sft_cli.run.errors import UserError
from sft_cli.run.lock import Lock, lock_path
from sft_cli.run.output import put_in_place, remove_folder, removed_name, sync
from sft_cli.run.signals import HeldSignals


class Publication:
    """The files that one run writes for `output`. The lock beside it (`.NAME.lock`) is held until `release`.

    The lock file lists temporary files before they are made. When all are whole and on disk, `commit` adds a line with
    the work to do: the files to rename and to remove. A run that finds such a lock file without an owner finishes this
    work; if the line is missing, it removes the temporary files. Raises UserError if another process holds the lock, or
    if the folder cannot be written.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.temporary: list[Path] = []
        self.moves: list[tuple[Path, Path]] = []  # from, to
        self.removes: list[Path] = []  # at the commit: files that were kept in case the run was stopped
        self.is_committed = False
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
            self.lock = Lock(lock_path(output))
        except BlockingIOError as error:
            hint = "hint: wait until it has ended, or write to another place"
            raise UserError(f"{output}: another sft process is writing it\n{hint}") from error
        except OSError as error:
            raise UserError(f"{output}: cannot write: {error.strerror}") from error
        self.recovered = self._recover()  # the fingerprint of a publication that a killed run had started

    def _recover(self) -> str | None:
        """Finish the publication of a killed run, or remove its temporary files; return the fingerprint."""
        lines = self.lock.lines()
        plan = lines[-1] if lines and "moves" in lines[-1] else None
        if plan is not None and self._is_as_left(plan):
            self._carry_out(plan)
        else:
            plan = None
        for line in lines:
            for name in line.get("temporary", []):
                _remove(self._path(name))
        self.lock.clear()
        return plan["fingerprint"] if plan else None

    @contextlib.contextmanager
    def open(self, target: Path) -> Iterator[TextIO]:
        """Yield a text file that the commit renames to `target`."""
        temporary = target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")
        self._note(temporary)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            sink = open(temporary, "x", encoding="utf-8", newline="\n")  # noqa: SIM115 (used below)
        except OSError as error:
            raise UserError(f"{target}: cannot write: {error.strerror}") from error
        with sink:
            yield sink
            sink.flush()
            os.fsync(sink.fileno())
        self.moves.append((temporary, target))

    def remove(self, folder: Path) -> None:
        """Remove a folder at once, so that it never exists in part."""
        if folder.exists():
            self._note(removed_name(folder))
            remove_folder(folder)

    def commit(self, fingerprint: Callable[[], str]) -> None:
        """Put all files into their places; if this process is killed during this, the next run finishes the work."""
        moves = [
            {"from": self._name(here), "to": self._name(there), "new": _stamp(here), "old": _stamp(there)}
            for here, there in self.moves
        ]
        plan = {"moves": moves, "removes": [self._name(path) for path in self.removes]}
        is_one_rename = len(moves) == 1 and not self.removes and not self.moves[0][0].is_dir()
        with HeldSignals():
            if moves and not is_one_rename:
                self.lock.write({**plan, "fingerprint": fingerprint()}, is_synced=True)
                sync(self.output.parent)  # the name of the lock file
                self.is_committed = True
            self._carry_out(plan)
            self.moves, self.removes, self.is_committed = [], [], False

    def release(self) -> None:
        """Release the lock, and remove files that were not published. An unfinished commit stays for the next run."""
        if not self.lock.is_held:
            return
        if not self.is_committed:
            for path in self.temporary:
                _remove(path)
        self.lock.release(removes=not self.is_committed)

    def _note(self, temporary: Path) -> None:
        self.temporary.append(temporary)
        self.lock.write({"temporary": [self._name(temporary)]})

    def _name(self, path: Path) -> str:
        return os.path.relpath(path, self.output.parent)

    def _path(self, name: str) -> Path:
        return self.output.parent / name

    def _is_as_left(self, plan: dict[str, Any]) -> bool:
        """Whether the place of a file is unchanged since the file was renamed, or since its rename was listed."""
        for move in plan["moves"]:
            expected = move["old"] if self._path(move["from"]).exists() else move["new"]
            if _stamp(self._path(move["to"])) not in (None, expected):
                return False
        return True

    def _carry_out(self, plan: dict[str, Any]) -> None:
        for name in plan["removes"]:
            _remove(self._path(name))
        for move in plan["moves"]:
            put_in_place(self._path(move["from"]), self._path(move["to"]))
        for folder in {self._path(move["to"]).parent for move in plan["moves"]}:
            sync(folder)


def _stamp(path: Path) -> list[int] | None:
    """A value that a file or folder keeps when it is renamed, and that no other has; None if it does not exist."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return [stat.st_ino] if path.is_dir() else [stat.st_ino, stat.st_size, stat.st_mtime_ns]


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
