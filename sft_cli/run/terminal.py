"""Whether a stream is a terminal that shows colours."""

from __future__ import annotations

import os
from typing import TextIO


def shows_colours(stream: TextIO) -> bool:
    """Not if it is a file or a pipe, and not with NO_COLOR or TERM=dumb. Source: no-color.org."""
    return stream.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")
