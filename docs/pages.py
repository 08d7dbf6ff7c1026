"""Writes the parts of these pages that come from the code; `make docs` runs it through cog."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sft_cli.cli import build_command
from sft_cli.commands import COMMANDS
from sft_cli.data.formats import FORMATS
from sft_cli.data.select import SELECTORS
from sft_cli.losses import LOSSES
from sft_cli.metrics import METRICS
from sft_cli.model.adapters import ADAPTERS, TRAITS
from sft_cli.training.optimizers import OPTIMIZER_FLAGS, OPTIMIZERS
from sft_cli.training.schedule import SCHEDULES

ROOT = Path(__file__).parent.parent
WIDTH = 100
TABLES = {
    "Formats of `prep --format`": FORMATS,
    "Metrics of `score --metric`": METRICS,
    "Losses of `train --loss`": LOSSES,
    "Adapters of `train --adapter`": ADAPTERS,
    "Optimizers of `train --optimizer`": OPTIMIZERS,
    "Schedules of `train --schedule`": SCHEDULES,
    "Ways to choose of `replay-build --select`": SELECTORS,
}


def help_text(command: str) -> str:
    """What `sft COMMAND --help` prints, at a fixed width whatever the terminal."""
    built = build_command(command)
    with built.make_context(f"sft {command}", [], resilient_parsing=True, terminal_width=WIDTH) as context:
        return "\n".join(line.rstrip() for line in built.get_help(context).splitlines())


def commands() -> str:
    """A table of the commands, and the help of each."""
    rows = [f"| [`sft {name}`](#sft-{name}) | {COMMANDS.summary(name)} |" for name in COMMANDS]
    table = "\n".join(["| command | what it does |", "|---|---|", *rows])
    return table + "\n" + "".join(f"\n## sft {name}\n\n```text\n{help_text(name)}\n```\n" for name in COMMANDS)


def tables() -> str:
    """Every name that a flag can take from a table, with the first line of what it stands for."""
    parts = []
    for title, table in TABLES.items():
        rows = [f"| `{name}` | {table.summary(name)} |" for name in table]
        parts.append("\n".join([f"### {title}", "", "| name | what it is |", "|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def flags(names: tuple[str, ...]) -> str:
    """Settings as flags, in one cell of a table."""
    return " ".join(f"`--{name.replace('_', '-')}`" for name in names)


def adapters() -> str:
    """What there is to train, with the flags and defaults of each."""
    rows = []
    for name in ADAPTERS:
        traits = TRAITS[name]
        rank = "half" if name == "osf" else traits.rank or ""
        alpha = f"{traits.alpha(traits.rank):g}" if traits.rank is not None else ""
        found = [
            f"`{name}`",
            ADAPTERS.summary(name),
            f"{traits.learning_rate:g}",
            str(rank),
            alpha,
            flags(traits.flags),
        ]
        rows.append(f"| {' | '.join(found)} |")
    return (
        "\n".join(["| name | what it is | rate | rank | alpha | its flags |", "|---|---|---|---|---|---|", *rows])
        + "\n"
    )


def optimizers() -> str:
    """The optimizers, with the flags of each."""
    rows = [f"| `{name}` | {OPTIMIZERS.summary(name)} | {flags(OPTIMIZER_FLAGS[name])} |" for name in OPTIMIZERS]
    return "\n".join(["| name | what it is | its flags |", "|---|---|---|", *rows]) + "\n"


def shell(line: str) -> str:
    """A line that calls sft, and what it prints to stdout."""
    words = line.split()
    assert words[0] == "sft", line
    done = subprocess.run([sys.executable, "-m", "sft_cli", *words[1:]], cwd=ROOT, capture_output=True, check=True)
    return f"```console\n$ {line}\n{done.stdout.decode('utf-8')}```\n"


def show(path: str, language: str) -> str:
    """A file of docs/, as it is."""
    return f"```{language}\n{(ROOT / path).read_text(encoding='utf-8')}```\n"
