"""A file that one process at a time may hold; the kernel lets go of it when its owner dies."""

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
    """In a forked process: a worker that outlives its parent must not keep the parent's locks."""
    for handle in _HELD:
        os.close(handle)
    _HELD.clear()


os.register_at_fork(after_in_child=_forget)


def lock_path(output: Path) -> Path:
    """The file that is there while `output` is written: `.NAME.lock` beside it."""
    return output.with_name(f".{output.name}.lock")


class Lock:
    """A locked file, which holds lines of JSON for whoever finds it without an owner.

    Raises BlockingIOError if another process holds it, unless it `waits`; OSError if the file cannot be opened.
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
            os.close(self.handle)  # its owner has removed it, after this process had opened it
        _HELD.add(self.handle)

    def _is_at_its_place(self) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(self.handle), os.stat(self.path))
        return False

    @property
    def is_held(self) -> bool:
        """Whether this process holds it; one that was forked from it does not."""
        return self.handle in _HELD

    def lines(self) -> list[dict[str, Any]]:
        """What a dead owner has written, but for a line cut short; nothing if the file is another user's."""
        if os.fstat(self.handle).st_uid != os.geteuid():
            return []
        return read_entries(self.path)

    def write(self, line: dict[str, Any], is_synced: bool = False) -> None:
        """Add a line, with `is_synced` on disk before this returns."""
        text = (json.dumps(line) + "\n").encode()
        while text:
            text = text[os.write(self.handle, text) :]
        if is_synced:
            os.fsync(self.handle)

    def clear(self) -> None:
        """Remove all lines."""
        os.ftruncate(self.handle, 0)

    def release(self, removes: bool = True) -> None:
        """Let go of the lock, and remove the file unless its lines are still needed."""
        if removes:
            self.path.unlink(missing_ok=True)
        _HELD.discard(self.handle)
        os.close(self.handle)


def _flock(handle: int, waits: bool) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError:  # a file system that knows no locks: runs that share an output do not see each other there
        pass


def read_entries(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a lock's file, whoever holds it."""
    try:
        whole = path.read_bytes().rpartition(b"\n")[0]
        return [json.loads(line) for line in whole.splitlines()]
    except (OSError, ValueError):
        return []


@contextlib.contextmanager
def waiting_turn(output: Path) -> Iterator[None]:
    """Hold the lock of `output` for the block, after whoever holds it now."""
    lock = Lock(lock_path(output), waits=True)
    try:
        yield
    finally:
        lock.release()
