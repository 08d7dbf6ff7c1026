"""Ctrl-C and SIGTERM during training: the current step is finished first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from sft_cli.training.processes.world import World

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """A context in which the first SIGINT or SIGTERM is stored (`signum`) and the second acts as usual.

    `say` reports the first to the user.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.signum: int | None = None
        self.agreed: int | None = None
        self.before: dict[int, Any] = {}

    def is_agreed(self, world: World) -> bool:
        """Whether any process received a signal to stop; all processes call this and get the same answer."""
        asked = [signum for signum in world.gather(self.signum) if signum is not None]
        self.agreed = asked[0] if asked else None
        return bool(asked)

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():  # in other threads Python allows no handlers
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
        self.say("stopping after this step; press Ctrl-C again to stop at once")

    def leave(self, message: str) -> NoReturn:
        """Raise the exception of the signal that all processes agreed on, with this message."""
        assert self.agreed is not None
        self._restore()
        handler = self.before.get(self.agreed)
        try:
            if callable(handler):
                handler(self.agreed, None)
        except KeyboardInterrupt as stop:
            raise type(stop)(message) from None
        raise KeyboardInterrupt(message)  # there was no handler that raises
