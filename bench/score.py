"""Rows per second of `sft score` and of rouge-score on the same rows, in turn; start-up, memory and cores of many rows.

    make bench-score                                         # text of the Python manual
    python bench/score.py --data generations.jsonl           # rows of one's own: completion and references
    python bench/score.py --rows 100000 1000000 --only memory

Ours is the whole command: it starts, reads, scores, adds 1 000 bootstrap draws, writes. rouge-score's clock starts when
it is loaded and its texts are read. Both give the same F1, which is checked.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from encode import passages, write_rows

ROUGE = [part for name in ("rouge-1", "rouge-2", "rouge-l") for part in ("--metric", name)]
PARTS = ("rate", "start", "memory", "long")
REPEATS = 5


def pairs(count: int, words: int = 120) -> list[dict[str, Any]]:
    """Rows whose completion is the reference with words left out, doubled and moved."""
    draw = random.Random(0)
    text = " ".join(passages()).split()
    rows = []
    for number in range(count):
        start = draw.randrange(len(text) - words)
        reference = text[start : start + draw.randrange(words // 4, words)]
        completion = [word for word in reference if draw.random() > 0.2]
        moved = draw.randrange(len(completion))
        rows.append((number, completion[moved:] + completion[:moved], reference))
    return [
        {"id": str(number), "completion": " ".join(ours), "references": [" ".join(theirs)]}
        for number, ours, theirs in rows
    ]


def write(path: Path, rows: list[dict[str, Any]], times: int = 1) -> Path:
    """The rows as a file, again and again under other ids."""
    return write_rows(path, ({**row, "id": f"{again}-{row['id']}"} for again in range(times) for row in rows))


def run_sft(path: Path, *flags: str) -> tuple[float, float, float]:
    """(seconds, seconds of CPU of all its processes, peak resident memory of the largest in MB) of `sft score`."""
    out = path.with_suffix(".scores")
    command = [
        sys.executable,
        "-m",
        "sft_cli",
        "score",
        str(path),
        "--tokenizer",
        "rouge155",
        "-q",
        "--force",
        "-o",
        str(out),
    ]
    begun = time.perf_counter()
    process = subprocess.Popen([*command, *flags])
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    if status:
        raise SystemExit("sft score failed")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def run_rouge_score(rows: list[dict[str, Any]]) -> tuple[float, dict[str, float]]:
    """(seconds, mean F1 of each) of rouge-score, without its stemmer."""
    from rouge_score import rouge_scorer

    names = {"rouge1": "rouge-1", "rouge2": "rouge-2", "rougeL": "rouge-l"}
    scorer = rouge_scorer.RougeScorer(list(names), use_stemmer=False)
    begun = time.perf_counter()
    found = [scorer.score(row["references"][0], row["completion"]) for row in rows]
    seconds = time.perf_counter() - begun
    return seconds, {ours: statistics.fmean(row[theirs].fmeasure for row in found) for theirs, ours in names.items()}


def show_rate(rows: list[dict[str, Any]], folder: Path) -> None:
    """ROUGE-1/2/L: rows per second of both, in turn."""
    path = write(folder / "rate.jsonl", rows, times=20)
    theirs, ours = [], []
    for _ in range(REPEATS):
        seconds, means = run_rouge_score(rows)
        theirs.append(len(rows) / seconds)
        ours.append(20 * len(rows) / run_sft(path, *ROUGE)[0])
    summary = json.loads(Path(f"{path.with_suffix('.scores')}.summary.json").read_text(encoding="utf-8"))
    for name, mean in means.items():
        assert abs(summary["metrics"][name]["value"] - mean) < 1e-9, (name, mean, summary["metrics"][name]["value"])
    print(
        f"ROUGE-1/2/L, rows/s: rouge-score {statistics.median(theirs):,.0f}, sft score {statistics.median(ours):,.0f}"
    )
    ratios = sorted(mine / other for mine, other in zip(ours, theirs, strict=True))
    print(
        f"  ratio {statistics.median(ratios):.1f} (of pairs: {ratios[0]:.1f} to {ratios[-1]:.1f}); the same F1 to 1e-9"
    )


def show_start(rows: list[dict[str, Any]], folder: Path) -> None:
    """The whole command on one row and on a thousand."""
    for count in (1, 1000):
        path = write(folder / f"start{count}.jsonl", (rows * (1 + count // len(rows)))[:count])
        for what, flags in (("default metrics", []), ("ROUGE-1/2/L", ROUGE)):
            seconds = [run_sft(path, *flags)[0] for _ in range(2 * REPEATS + 1)]
            print(f"{count:>5} rows, {what}: median {statistics.median(seconds):.2f} s, fastest {min(seconds):.2f} s")


def show_memory(rows: list[dict[str, Any]], folder: Path, counts: list[int]) -> None:
    """Time, cores and peak memory as files grow."""
    for count in counts:
        path = write(folder / "many.jsonl", rows, times=count // len(rows))
        seconds, cpu, peak = run_sft(path, *ROUGE)
        print(
            f"{count:>9,} rows: {seconds:6.1f} s, {count / seconds:7,.0f} rows/s, {cpu / seconds:.2f} cores, "
            f"peak {peak:.0f} MB in the largest process"
        )


def show_long() -> None:
    """ROUGE-W, ROUGE-S and ROUGE-L of texts of 500, 1 000 and 2 000 tokens, and rouge-metric's Python in turn."""
    from rouge_metric import PyRouge

    from sft_cli.metrics.protocol import read_metric

    peers = {
        "rouge-w": PyRouge(rouge_n=False, rouge_l=False, rouge_w=True, rouge_w_weight=1.2),
        "rouge-s": PyRouge(rouge_n=False, rouge_l=False, rouge_s=True, skip_gap=4),
        "rouge-s:gap=none": PyRouge(rouge_n=False, rouge_l=False, rouge_s=True),
        "rouge-l": PyRouge(rouge_n=False, rouge_l=True),
    }
    for name, peer in peers.items():
        metric, shown = read_metric(name).metric, []
        for size in (500, 1000, 2000):
            ours, theirs = [], []
            for row in pairs(3, words=2 * size):
                texts = [row["completion"], row["references"][0]]
                completion, reference = ((text.split() * 9)[:size] for text in texts)
                begun = time.perf_counter()
                metric.sums({"completion": " ".join(completion), "references": [" ".join(reference)]})
                ours.append(1000 * (time.perf_counter() - begun))
                begun = time.perf_counter()
                peer.evaluate_tokenized([[completion]], [[[reference]]])
                theirs.append(1000 * (time.perf_counter() - begun))
            shown.append(f"{size} tokens {statistics.median(ours):.1f} ({statistics.median(theirs):.0f})")
        print(f"{name}, ms (rouge-metric in brackets): {', '.join(shown)}")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="rows with completion and references; the default makes some")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="sizes for memory")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS))
    given = parser.parse_args()
    rows = pairs(1000)
    if given.data:
        with open(given.data, encoding="utf-8") as file:
            rows = [json.loads(line) for line in file][:1000]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "rate" in given.only:
            show_rate(rows, folder)
        if "start" in given.only:
            show_start(rows, folder)
        if "memory" in given.only:
            show_memory(rows, folder, given.rows)
        if "long" in given.only:
            show_long()


if __name__ == "__main__":
    main()
