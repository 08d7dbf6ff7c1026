"""Several commands one after another, as docs/explain.md shows them, and its tables; `make docs` runs it by cog."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from sft_cli.report.explain.explanation_text import cause_table
from sft_cli.report.explain.rules import rule_table

ROOT = Path(__file__).parent.parent


def session(folder: str, *lines: str) -> str:
    """Lines that call sft in a copy of a folder, and what each prints to stdout."""
    shown = []
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as place:
        shutil.copytree(ROOT / folder, place, dirs_exist_ok=True)
        for line in lines:
            command = [sys.executable, "-m", "sft_cli", *shlex.split(line)[1:]]
            done = subprocess.run(command, cwd=place, capture_output=True, check=True, env=environment)
            shown.append(f"$ {line}\n{done.stdout.decode('utf-8')}")
    return "```console\n" + "".join(shown) + "```\n"


def causes() -> str:
    """What `sft compare --explain` looks at."""
    return cause_table()


def rules() -> str:
    """The rules of `sft compare --suggest`."""
    return rule_table()
