"""Ctrl-C and SIGTERM while training: the step is finished first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from sft_cli.training.processes.world import World

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """A context in which the first SIGINT or SIGTERM is noted (`signum`) and the second one acts as before.

    `say` tells the user of the first.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.signum: int | None = None
        self.agreed: int | None = None
        self.before: dict[int, Any] = {}

    def is_agreed(self, world: World) -> bool:
        """Whether any process of the world was asked to stop; called by all, which get the same answer."""
        asked = [signum for signum in world.gather(self.signum) if signum is not None]
        self.agreed = asked[0] if asked else None
        return bool(asked)

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
        """Raise what the signal that was agreed on would have raised, with this message."""
        assert self.agreed is not None
        self._restore()
        handler = self.before.get(self.agreed)
        try:
            if callable(handler):
                handler(self.agreed, None)
        except KeyboardInterrupt as stop:
            raise type(stop)(message) from None
        raise KeyboardInterrupt(message)  # there was no handler, or none that raises
