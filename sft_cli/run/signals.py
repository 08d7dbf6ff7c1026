"""SIGTERM and Ctrl-C: one line and an exit code of their own, whenever they come."""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False  # as in typing, whose import alone takes longer than the rest of this file
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

CODES = {signal.SIGINT: (130, "interrupted"), signal.SIGTERM: (143, "terminated")}
IMPORTING = "<frozen importlib._bootstrap>"


class Terminated(KeyboardInterrupt):
    """SIGTERM, raised where Ctrl-C would be."""


def leave_at_signals() -> None:
    """From now on a signal ends the process at once: for when there is nothing to clean up.

    Ctrl-C stays ignored where the shell has said so.
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

    Not while a module is imported: modules swallow what is raised then, or make another error of it. The process
    leaves instead, after `clean_up`.
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
            if signal.getsignal(number) == self._act:  # else the command has other plans for its end
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
    """A short block, not to be left half done, at whose end the signals are raised that have come meanwhile."""

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
