"""A file that one process at a time can lock; the kernel releases the lock when the process ends."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_HELD: set[int] = set()


def _forget() -> None:
    """In a forked process: a worker that lives longer than its parent must not keep the locks of the parent."""
    for handle in _HELD:
        os.close(handle)
    _HELD.clear()


os.register_at_fork(after_in_child=_forget)


def lock_path(output: Path) -> Path:
    """The file that exists while `output` is written: `.NAME.lock` beside it."""
    return output.with_name(f".{output.name}.lock")


class Lock:
    """A locked file with lines of JSON, for a process that finds it without an owner.

    Raises BlockingIOError if another process holds the lock, unless it `waits`; OSError if the file cannot be opened.
    """

    def __init__(self, path: Path, waits: bool = False) -> None:
        self.path = path
        while True:
            self.handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666)
            try:
                _flock(self.handle, waits)
                if self._is_at_its_place():
                    break
            except OSError:
                os.close(self.handle)
                raise
            os.close(self.handle)  # its owner removed the file after this process had opened it
        _HELD.add(self.handle)

    def _is_at_its_place(self) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(self.handle), os.stat(self.path))
        return False

    @property
    def is_held(self) -> bool:
        """Whether this process holds the lock; a process forked from it does not."""
        return self.handle in _HELD

    def lines(self) -> list[dict[str, Any]]:
        """The whole lines that an ended owner has written; none if the file belongs to another user."""
        if os.fstat(self.handle).st_uid != os.geteuid():
            return []
        return read_entries(self.path)

    def write(self, line: dict[str, Any], is_synced: bool = False) -> None:
        """Add a line; with `is_synced` it is on disk before this returns."""
        text = (json.dumps(line) + "\n").encode()
        while text:
            text = text[os.write(self.handle, text) :]
        if is_synced:
            os.fsync(self.handle)

    def clear(self) -> None:
        """Remove all lines."""
        os.ftruncate(self.handle, 0)

    def release(self, removes: bool = True) -> None:
        """Release the lock, and remove the file unless its lines are still needed."""
        if removes:
            self.path.unlink(missing_ok=True)
        _HELD.discard(self.handle)
        os.close(self.handle)


def _flock(handle: int, waits: bool) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks: runs that share an output do not see each other
        pass


def read_entries(path: Path) -> list[dict[str, Any]]:
    """The whole lines of the file of a lock, also if another process holds it."""
    try:
        whole = path.read_bytes().rpartition(b"\n")[0]
        return [json.loads(line) for line in whole.splitlines()]
    except (OSError, ValueError):
        return []


@contextlib.contextmanager
def waiting_turn(output: Path) -> Iterator[None]:
    """Hold the lock of `output` during the block; wait until the process that has it now releases it."""
    lock = Lock(lock_path(output), waits=True)
    try:
        yield
    finally:
        lock.release()
