"""How long `sft --help` and each `sft X --help` take to start, and whether they load what they should not.

The commands take turns, so that a busy moment of the machine falls on all of them; the median counts.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from sft_cli.commands import COMMANDS

ROUNDS = 11
HEAVY = ("torch", "transformers", "datasets", "peft", "accelerate", "numpy", "rich")
LIST_HEAVY = (
    "import sys; from sft_cli.cli import main\n"
    "try: main()\n"
    "except SystemExit: pass\n"
    f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
)


def seconds_to_help(words: list[str]) -> float:
    """Wall-clock seconds of `sft WORDS --help` in a new process."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "sft_cli", *words, "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def heavy_modules(words: list[str]) -> str:
    """The heavy libraries that showing the help has loaded, as a Python list."""
    command = [sys.executable, "-c", LIST_HEAVY, *words, "--help"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stderr.strip()


def main() -> None:
    """Print one line per command."""
    asked: list[list[str]] = [[], *([name] for name in COMMANDS)]
    times: dict[str, list[float]] = {" ".join(words): [] for words in asked}
    for _ in range(ROUNDS):
        for words in asked:
            times[" ".join(words)].append(seconds_to_help(words))
    print(f"{'command':<24}{'median s':>10}{'fastest s':>11}  heavy modules loaded")
    for words in asked:
        measured = times[" ".join(words)]
        shown = " ".join(["sft", *words, "--help"])
        print(f"{shown:<24}{statistics.median(measured):>10.3f}{min(measured):>11.3f}  {heavy_modules(words)}")


if __name__ == "__main__":
    main()
