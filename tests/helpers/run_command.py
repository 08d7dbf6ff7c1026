"""Runs a command of `sft` inside the test process: same parsing, same exit codes, no start of an interpreter."""

from __future__ import annotations

import io
import json
import sys
from typing import Any, NamedTuple

from sft_cli.cli import run


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.encode().splitlines()]


def run_command(monkeypatch: Any, capsys: Any, *words: Any, stdin: bytes = b"") -> Result:
    """Run `sft WORDS…` and give its exit code and both streams."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin)), encoding="utf-8"))
    capsys.readouterr()
    code = run(*words)
    captured = capsys.readouterr()
    return Result(code, captured.out, captured.err)
