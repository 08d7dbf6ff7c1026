"""Ctrl-C and SIGTERM while training: the step is finished first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any, NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """A context in which the first SIGINT or SIGTERM is noted (`is_set`) and the second one acts as before.

    `say` tells the user of the first.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.signum: int | None = None
        self.before: dict[int, Any] = {}

    @property
    def is_set(self) -> bool:
        """Whether somebody asked to stop."""
        return self.signum is not None

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():  # elsewhere Python allows no handlers
            self.before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        self._restore()

    def _restore(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, signum: int, frame: Any) -> None:
        self.signum = signum
        self._restore()
        self.say("stopping after this step; once more stops at once")

    def leave(self, message: str) -> NoReturn:
        """Raise what the signal would have raised, with this message."""
        assert self.signum is not None
        self._restore()
        handler = self.before[self.signum]
        try:
            if callable(handler):
                handler(self.signum, None)
        except KeyboardInterrupt as stop:
            raise type(stop)(message) from None
        raise KeyboardInterrupt(message)  # there was no handler, or none that raises
