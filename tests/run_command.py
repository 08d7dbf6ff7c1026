"""Runs a command of `sft` inside the test process: same parsing, same exit codes, no start of an interpreter."""

from __future__ import annotations

import io
import json
import sys
from typing import Any, NamedTuple

from sft_cli.cli import build_command


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
    try:
        build_command(str(words[0]))(args=[str(word) for word in words[1:]], prog_name=f"sft {words[0]}")
        code = 0
    except SystemExit as leaving:
        code = int(leaving.code or 0)
    captured = capsys.readouterr()
    return Result(code, captured.out, captured.err)
