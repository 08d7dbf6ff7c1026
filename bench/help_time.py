"""How long `sft --help` and each `sft X --help` take to start, and whether they load what they should not.

The commands take turns, so that a busy moment of the machine falls on all of them; the median counts. The limit is 2.2
times the processor time of `import typer`, measured in the same turns.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from typing import NamedTuple

from sft_cli.commands import COMMANDS

ROUNDS = 11
TYPER = "import typer"
HEAVY = ("torch", "transformers", "datasets", "peft", "accelerate", "numpy", "rich")
LIST_HEAVY = (
    "import sys; from sft_cli.cli import main\n"
    "try: main()\n"
    "except SystemExit: pass\n"
    f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
)


class Seconds(NamedTuple):
    """Seconds of one process: by the clock, and of the processor."""

    wall: float
    cpu: float


def seconds_of(words: list[str]) -> Seconds:
    """How long Python takes for WORDS in a new process."""
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Seconds(time.perf_counter() - begun, cpu)


def heavy_modules(words: list[str]) -> str:
    """The heavy libraries that showing the help has loaded, as a Python list."""
    command = [sys.executable, "-c", LIST_HEAVY, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stderr.strip()


def main() -> None:
    """Print one line per page of help."""
    pages = [["--help"], *([name, "--help"] for name in COMMANDS), ["train", "--help-all"], ["train", "--help", "data"]]
    asked = {" ".join(["sft", *words]): words for words in pages}
    times: dict[str, list[Seconds]] = {title: [] for title in (TYPER, *asked)}
    for _ in range(ROUNDS):
        times[TYPER].append(seconds_of(["-c", TYPER]))
        for title, words in asked.items():
            times[title].append(seconds_of(["-m", "sft_cli", *words]))
    typer_cpu = statistics.median(each.cpu for each in times[TYPER])
    print(f"{'command':<24}{'median s':>10}{'fastest s':>11}{'cpu s':>8}{'× typer':>9}  heavy modules loaded")
    for title, measured in times.items():
        wall, cpu = [each.wall for each in measured], statistics.median(each.cpu for each in measured)
        loaded = heavy_modules(asked[title]) if title in asked else ""
        numbers = f"{statistics.median(wall):>10.3f}{min(wall):>11.3f}{cpu:>8.3f}{cpu / typer_cpu:>9.2f}"
        print(f"{title:<24}{numbers}  {loaded}")


if __name__ == "__main__":
    main()
