"""Several commands one after another, as docs/explain.md shows them, and its tables; `make docs` runs it by cog."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from sft_cli.curation.filters import FILTERS
from sft_cli.curation.statistics import STATISTICS
from sft_cli.curation.statistics.bounds import DATA_BOUNDS
from sft_cli.data.instructions import TABLE_TEMPLATES
from sft_cli.data.instructions.phrasings import Phrasings
from sft_cli.report.data_text import finding_name, group_name, percent
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


def choice(sizes: dict[str, int], flags: str) -> str:
    """A command that chooses among files of this many rows, and what it says of the choice."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    line = f"sft prep {' '.join(f'{name}.jsonl' for name in sizes)} {flags} -o rows.jsonl"
    with tempfile.TemporaryDirectory() as place:
        for name, rows in sizes.items():
            lines = (f'{{"prompt":"{name} {number}","completion":"yes"}}\n' for number in range(rows))
            (Path(place) / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
        command = [sys.executable, "-m", "sft_cli", *shlex.split(line)[1:]]
        done = subprocess.run(command, cwd=place, capture_output=True, check=True, env=environment)
    said = done.stderr.decode("utf-8")
    return f"```console\n$ {line}\n…\n{said[said.index('choice:') :]}```\n"


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


def statistics() -> str:
    """The groups of figures of `sft prep --stats`."""
    rows = ["| group | what it has |", "|---|---|"]
    for name in STATISTICS:
        rows.append(f"| {group_name(name)} | {' '.join(str(STATISTICS.load(name).__doc__).split())} |")
    return "\n".join(rows) + "\n"


def bounds() -> str:
    """When a figure is bad, what that means, and what to try."""
    rows = ["| figure | bad above | what it means for training | try |", "|---|---:|---|---|"]
    for each in DATA_BOUNDS:
        cure = each.cure if each.cure.startswith("sft ") else each.cure.replace("{half}", "N")
        name = finding_name({"figure": each.figure})
        cure = cure.replace("{inputs}", "rows.jsonl").replace("{script}", "latin").replace("|", "\\|")
        cure = re.sub(r"\{(\w+)\}", lambda match: match[1].upper(), cure)
        rows.append(f"| {name} | {percent(each.most)} | {each.meaning} | `{cure}` |")
    return "\n".join(rows) + "\n"


def causes() -> str:
    """What `sft compare --explain` looks at."""
    return cause_table()


def rules() -> str:
    """The rules of `sft compare --suggest`."""
    return rule_table()
