"""SIGTERM and Ctrl-C: one line and a separate exit code, at any time."""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False  # as in typing; to import typing would take longer than the rest of this file
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

CODES = {signal.SIGINT: (130, "interrupted"), signal.SIGTERM: (143, "terminated")}
IMPORTING = "<frozen importlib._bootstrap>"


class Terminated(KeyboardInterrupt):
    """SIGTERM, raised in the same way as Ctrl-C."""


def leave_at_signals() -> None:
    """From now on a signal ends the process at once. For times without anything to clean up.

    Ctrl-C stays ignored if the shell has set this.
    """
    for number in CODES:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, lambda signum, frame: _leave(signum, "sft"))


def _leave(signum: int, name: str) -> None:
    code, word = CODES[signal.Signals(signum)]
    os.write(2, f"{name}: {word}\n".encode())
    os._exit(code)


class RaisedSignals:
    """A block in which signals are raised, as KeyboardInterrupt or Terminated.

    Not while a module is imported: modules hide an exception that is raised then, or turn it into another. The process
    exits instead, after `clean_up`.
    """

    def __init__(self, name: str, clean_up: Callable[[], None]) -> None:
        self.name, self.clean_up = name, clean_up
        self.before: dict[int, Any] = {}

    def __enter__(self) -> None:
        self.before = {signal.SIGTERM: signal.signal(signal.SIGTERM, self._act)}
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            self.before[signal.SIGINT] = signal.signal(signal.SIGINT, self._act)

    def __exit__(self, *error: object) -> None:
        for number, handler in self.before.items():
            if signal.getsignal(number) == self._act:  # otherwise the command has its own handler
                signal.signal(number, handler)

    def _act(self, signum: int, frame: FrameType | None) -> None:
        if HeldSignals.depth:
            HeldSignals.waiting = lambda: self._act(signum, None)
            return
        if _is_importing(frame):
            self.clean_up()
            _leave(signum, self.name)
        raise Terminated("terminated") if signum == signal.SIGTERM else KeyboardInterrupt


class HeldSignals:
    """A short block that must not be interrupted; signals that come during it are raised at its end."""

    depth = 0
    waiting: Callable[[], None] | None = None

    def __enter__(self) -> None:
        HeldSignals.depth += 1

    def __exit__(self, *error: object) -> None:
        HeldSignals.depth -= 1
        if not HeldSignals.depth and HeldSignals.waiting is not None:
            act, HeldSignals.waiting = HeldSignals.waiting, None
            act()


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code.co_filename != IMPORTING:
        frame = frame.f_back
    return frame is not None
