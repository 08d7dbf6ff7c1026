"""Seconds, CPU seconds and memory of `sft compare` on score files of many rows and of many metrics.

    make bench-compare
    python bench/compare.py --rows 200000 --metrics 3

Measured is the whole command: it starts, reads two files, draws 10 000 resamples and as many swaps, writes. The rows
are real sums of the metrics on made-up texts, drawn at random.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sft_cli.metrics.protocol import NamedMetric, read_metric
from sft_cli.run.jsonl import as_line

METRICS = ["exact-match", "rouge-l", "bleu", "token-f1", "rouge-1", "rouge-2", "chrf", "ter", "rouge-w", "squad"]
METRICS += [f"rouge-l:beta={beta}" for beta in (0.5, 1.2, 1.5, 2, 4)] + [f"rouge-n:n={n}" for n in (3, 4, 5, 6, 7)]
WORDS = "the a cat dog sat on mat red blue ran fast home".split()  # noqa: SIM905
TEXTS = 500  # that are scored; the rows of a file are drawn from them


def scored_rows(named: list[NamedMetric]) -> list[dict[str, Any]]:
    """What `sft score` writes of texts that are more or less like their references."""
    draw, rows = random.Random(0), []
    for _ in range(TEXTS):
        reference = [draw.choice(WORDS) for _ in range(draw.randrange(2, 20))]
        rate = draw.choice([0.0, 0.2, 0.5])
        completion = [draw.choice(WORDS) if draw.random() < rate else word for word in reference]
        row = {"completion": " ".join(completion), "references": [" ".join(reference)], "answer": None}
        sums = {metric.key: metric.metric.sums(row) or {} for metric in named}
        values = {name: value for metric in named for name, value in metric.row_values(sums[metric.key]).items()}
        signatures = {metric.key: metric.signature() for metric in named}
        rows.append({"metrics": values, "stats": sums, "signatures": signatures})
    return rows


def write_scores(path: Path, rows: list[dict[str, Any]], count: int, seed: int) -> Path:
    """A score file of `count` rows."""
    draw = random.Random(seed)
    with open(path, "w", encoding="utf-8") as sink:
        for number in range(count):
            name = f"{(number + 1) * 0x9E3779B97F4A7C15 % 2**64:016x}"
            head = {"id": name, "sample": 0, "task": None, "prompt_hash": name, "references_hash": name}
            sink.write(as_line({**head, **draw.choice(rows)}))
    return path


def measure(rows: int, metrics: int, folder: Path) -> None:
    """Print what one comparison takes."""
    made = scored_rows([read_metric(name) for name in METRICS[:metrics]])
    paths = [write_scores(folder / f"{name}.jsonl", made, rows, seed) for seed, name in enumerate(("base", "tuned"))]
    started = time.perf_counter()
    with subprocess.Popen([sys.executable, "-m", "sft_cli", "compare", *paths, "-o", os.devnull]) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    print(
        f"2 x {rows:,} rows, {metrics} metrics: {seconds:.1f} s, {used.ru_utime + used.ru_stime:.1f} s of CPU, "
        f"{used.ru_maxrss / 1000:,.0f} MB"
    )


def main() -> None:
    """Measure the sizes that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 200_000])
    parser.add_argument("--metrics", type=int, nargs="+", default=[20, 3], help="one number for each of --rows")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for rows, metrics in zip(given.rows, given.metrics, strict=True):
            measure(rows, metrics, Path(folder))


if __name__ == "__main__":
    main()
