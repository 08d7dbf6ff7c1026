"""Two trainings on one machine at once: what each keeps of its half. SmolLM2-135M, two threads each.

    python bench/side_by_side.py --repeats 3 --steps 10

One training alone and two at once, in turn. Rates are tokens per second, the median of all steps but the first two and
the last two of each run (a run that is left alone at its end is faster). `NAME=VALUE` words set variables for all runs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from encode import made_rows, write_rows
from peers import ROOT, model_folder


def start(rows: Path, model: str, out: Path, given: argparse.Namespace) -> subprocess.Popen[bytes]:
    """Begin a training; it goes on while others begin."""
    python_path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    variables = dict(word.split("=", 1) for word in given.variables)
    environment = {**os.environ, "OMP_NUM_THREADS": str(given.threads), "PYTHONPATH": python_path, **variables}
    command = [sys.executable, "-m", "sft_cli", "train", rows, "--model", model, "-o", out, "--force", "-q"]
    command += ["--batch-size", 4, "--max-steps", given.steps]
    return subprocess.Popen([str(word) for word in command], env=environment, stdout=subprocess.DEVNULL)


def rates(count: int, rows: Path, model: str, folder: Path, given: argparse.Namespace) -> list[float]:
    """Tokens per second of `count` trainings that run at once."""
    outs = [folder / f"run-{number}" for number in range(count)]
    for process in [start(rows, model, out, given) for out in outs]:
        if process.wait():
            raise SystemExit("a training failed")
    found = []
    for out in outs:
        lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        steps = [line for line in lines if line.get("tokens_per_second")]
        found.append(statistics.median(line["tokens_per_second"] for line in steps[2:-2]))
    return found


def main() -> None:
    """Run alone and side by side in turn; print the medians and what each keeps of its half."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("variables", nargs="*", metavar="NAME=VALUE")
    given = parser.parse_args()
    model = model_folder()
    alone: list[float] = []
    beside: list[list[float]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "rows.jsonl", made_rows(4 * given.steps, 0))
        for _ in range(given.repeats):
            alone += rates(1, folder / "rows.jsonl", model, folder, given)
            beside.append(rates(2, folder / "rows.jsonl", model, folder, given))
            pair = " and ".join(f"{rate:.0f}" for rate in beside[-1])
            print(f"alone {alone[-1]:.0f} tokens/s, side by side {pair}", file=sys.stderr, flush=True)
    half = statistics.median(alone) / 2
    slower, faster = (statistics.median(pick(pair) for pair in beside) for pick in (min, max))
    print(f"alone {2 * half:.0f} tokens/s; side by side {slower:.0f} and {faster:.0f}")
    print(f"of its half each keeps {slower / half:.2f} and {faster / half:.2f} (wanted: 0.80 or more)")


if __name__ == "__main__":
    main()
