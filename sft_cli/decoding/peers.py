"""Several processes that generate together: each notices when another has died, and ends instead of waiting.

They need no connection: a process locks a small file beside the output while it lives, and removes the file when it has
finished its share. A file without a lock belongs to a process that died: the kernel releases its lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import signal
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from sft_cli.run.errors import UserError
from sft_cli.run.output import is_stream
from sft_cli.run.ranks import Ranks

SECONDS_BETWEEN_CHECKS = 0.25
SECONDS_TO_LEAVE = 5.0  # time for the current pass; then the process is ended
TRIES = 8  # attempts to lock the own file
SECONDS_TO_COME = 600.0  # time to wait for a process that has not yet started
AGAIN_HINT = "hint: run the same command again; finished completions are kept"


class PeerLost(UserError):
    """Another process died, and its share is missing: exit code 1."""

    exit_code = 1


class Peers:
    """Around the work of one of several processes (`ranks`) that write `out`.

    Raises PeerLost if another process dies; the first process that is left reports it. In a single process it only
    removes the files of dead processes.
    """

    def __init__(self, out: str, ranks: Ranks) -> None:
        self.ranks = ranks
        self.place = None if is_stream(out) else Path(out)
        self.lost: list[int] = []
        self.seen: set[int] = set()  # processes that have started
        self.handle = -1
        self.leaving = threading.Event()
        self.watcher = threading.Thread(target=self._watch, daemon=True)

    def _file(self, rank: int) -> Path:
        assert self.place is not None
        return self.place.with_name(f"{self.place.name}.partial.{rank}.here")

    def __enter__(self) -> Self:
        """Create the file for the others, and start to watch them."""
        if self.place is None:
            return self
        for old in self.place.parent.glob(f"{self.place.name}.partial.*.here"):
            if not is_locked(old):
                old.unlink(missing_ok=True)
        if self.ranks.size > 1:
            with contextlib.suppress(OSError):  # the error is reported when the output is opened
                self.place.parent.mkdir(parents=True, exist_ok=True)
                self.handle = locked(self._file(self.ranks.rank))
                self.watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave: remove the file; after an error keep it without a lock, so that the others notice."""
        if self.handle < 0:
            return
        self.leaving.set()
        self.watcher.join()
        if kind is None:
            self._file(self.ranks.rank).unlink(missing_ok=True)
        os.close(self.handle)
        if self.lost and isinstance(error, KeyboardInterrupt):
            gc.freeze()  # otherwise the garbage collector takes seconds for torch's objects on a busy machine
            raise PeerLost(self._said()) from None

    def _said(self) -> str:
        """The message of this process; empty if another remaining process reports it."""
        if any(rank not in self.lost for rank in range(self.ranks.rank)):
            return ""
        who = f"rank {self.lost[0]}" if len(self.lost) == 1 else f"ranks {', '.join(map(str, self.lost))}"
        return f"{who} of {self.ranks.size} processes ended before the work was finished\n{AGAIN_HINT}"

    def _state(self, rank: int) -> str:
        """`here`, `away` (not yet started, or finished), or `dead`."""
        with contextlib.suppress(FileNotFoundError):
            return "here" if is_locked(self._file(rank)) else "dead"
        return "away"

    def _watch(self) -> None:
        """Watch the others until this process leaves; interrupt it when one of them is dead."""
        others = [rank for rank in range(self.ranks.size) if rank != self.ranks.rank]
        before: set[int] = set()
        while not self.leaving.wait(SECONDS_BETWEEN_CHECKS):
            states = {rank: self._state(rank) for rank in others}
            self.seen |= {rank for rank, state in states.items() if state == "here"}
            dead = {rank for rank, state in states.items() if state == "dead"}
            self.lost = sorted(dead & before)  # seen twice: a new process has its file a moment before its lock
            before = dead
            if self.lost:
                os.kill(os.getpid(), signal.SIGTERM)  # raised like Ctrl-C in the main thread
                if not self.leaving.wait(SECONDS_TO_LEAVE):
                    os.write(2, f"sft generate: {self._said()}\n".encode())
                    os._exit(PeerLost.exit_code)
                return

    def why_missing(self, since: float) -> PeerLost | None:
        """The reason why no process will write the missing completions; None while one may. `since`: time.monotonic."""
        others = [rank for rank in range(self.ranks.size) if rank != self.ranks.rank]
        if any(self._state(rank) != "away" for rank in others):
            return None
        absent = [rank for rank in others if rank not in self.seen]
        if absent and time.monotonic() - since < SECONDS_TO_COME:
            return None
        names, size = ", ".join(map(str, absent or others)), self.ranks.size
        return PeerLost(f"of {size} processes, these did not finish their share: rank {names}\n{AGAIN_HINT}")


def locked(path: Path) -> int:
    """Create a file and lock it; return its handle. Raises UserError if another process has locked it."""
    for _ in range(TRIES):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), os.stat(path)):  # no process has removed it as a dead one's file
                return handle
        os.close(handle)
        time.sleep(SECONDS_BETWEEN_CHECKS)
    raise UserError(f"{path}: another process with this rank writes the same output")


def is_locked(path: Path) -> bool:
    """Whether a living process has locked the file. Raises FileNotFoundError if it does not exist."""
    handle = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
