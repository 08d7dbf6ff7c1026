"""Commands of `sft` inside this process: many short runs without starting an interpreter for each."""

from __future__ import annotations

import contextlib
import io
from typing import Any


class CommandFailed(RuntimeError):
    """A command that did not end well; its words and what it said."""


def sft(*words: Any) -> str:
    """What `sft WORDS…` prints on stdout; raises CommandFailed with its stderr if it fails."""
    from sft_cli.cli import run

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(*words)
    if code:
        raise CommandFailed(f"sft {' '.join(map(str, words))}: {err.getvalue()[-2000:]}")
    return out.getvalue()
