"""Several commands one after another, as docs/explain.md shows them, and its tables; `make docs` runs it by cog."""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from sft_cli.curation.filters import FILTERS
from sft_cli.data.instructions import TABLE_TEMPLATES
from sft_cli.data.instructions.phrasings import Phrasings
from sft_cli.report.explain.explanation_text import cause_table
from sft_cli.report.explain.rules import rule_table

ROOT = Path(__file__).parent.parent


def session(folder: str, *lines: str, shows: str = "") -> str:
    """Lines that call sft in a copy of a folder, and what each prints to stdout; with `shows` also to stderr.

    `shows`: a file that the last line writes, which is shown too.
    """
    shown = []
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as place:
        shutil.copytree(ROOT / folder, place, dirs_exist_ok=True)
        for line in lines:
            command = [sys.executable, "-m", "sft_cli", *shlex.split(line)[1:]]
            done = subprocess.run(command, cwd=place, capture_output=True, check=True, env=environment)
            said = done.stderr.decode("utf-8") if shows else ""
            shown.append(f"$ {line}\n{said}{done.stdout.decode('utf-8')}")
        if shows:
            shown.append(f"$ cat {shows}\n{(Path(place) / shows).read_text(encoding='utf-8')}")
    return "```console\n" + "".join(shown) + "```\n"


def filters() -> str:
    """The filters of `sft prep`, with what each does and its options."""
    rows = ["| filter | options | what it does |", "|---|---|---|"]
    for name in FILTERS:
        kind = FILTERS.load(name)
        options = ", ".join(f"`{each.name}={each.default}`" for each in dataclasses.fields(kind) if each.init)
        said = " ".join(str(kind.__doc__).split())
        rows.append(f"| `{name}` | {options.replace('=None', '')} | {said} |")
    return "\n".join(rows).replace("`lists=`", "`lists=FILE`") + "\n"


def table_templates() -> str:
    """The templates of `sft prep --template`, with the fields that each shows."""
    rows = ["| name | asks for | fields | phrasings |", "|---|---|---|---|"]
    for name, asks in TABLE_TEMPLATES.items():
        phrasings = Phrasings.of([name])
        fields = " ".join(f"`{each}`" for each in sorted(phrasings.all_fields - {"asked", "is_open"}))
        counts = " + ".join(f"{len(pool)} {language}" for language, pool in phrasings.by_language.items())
        rows.append(f"| `{name}` | {asks} | {fields} | {counts} |")
    return "\n".join(rows) + "\n"


def causes() -> str:
    """What `sft compare --explain` looks at."""
    return cause_table()


def rules() -> str:
    """The rules of `sft compare --suggest`."""
    return rule_table()
