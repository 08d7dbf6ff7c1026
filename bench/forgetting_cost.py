"""What each way of not forgetting costs: seconds of a training step, memory, stored bytes. SmolLM2-135M.

    python bench/forgetting_cost.py --repeats 3 --steps 6

Every method trains a few steps in a process of its own, in turn; the seconds of a step are the median of all but the
first two of each run, memory is the process's peak. Ratios are to plain training, of whole weights or of a LoRA.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from encode import made_rows, write_rows
from peers import model_folder
from sft_runs import sft

PULLED = ("--importance-data", "{old}", "--importance-rows", 2, "--fisher-temperature", 1)
METHODS: dict[str, tuple[Any, ...]] = {
    "plain": (),
    "l2-sp": ("--regularizer", "l2-sp"),
    "ewc": ("--regularizer", "ewc", *PULLED),
    "ewc, proximal": ("--regularizer", "ewc", "--penalty-mode", "proximal", *PULLED),
    "si, recording": ("--record-importance", "si"),
    "kl, 2 rows a step": ("--regularizer", "kl", "--anchor-data", "{old}", "--anchor-rows", 2),
    "replay, 1 of 9 rows": ("{old}", "--batch-size", 9, "--mix", "new=8", "--mix", "old=1"),
    "progressive": ("--adapter", "progressive", "--column-name", "new"),
    "progressive-lora": ("--adapter", "progressive-lora", "--column-name", "new"),
    "lora": ("--adapter", "lora"),
    "lora, l2-sp": ("--adapter", "lora", "--regularizer", "l2-sp"),
    "lora, ewc": ("--adapter", "lora", "--regularizer", "ewc", *PULLED),
    "lora, kl, 2 rows a step": (
        *("--adapter", "lora", "--regularizer", "kl", "--anchor-data", "{old}", "--anchor-rows", 2),
    ),
}


def run(name: str, model: str, folder: Path, steps: int) -> dict[str, Any]:
    """Train a few steps; gives the seconds of each, the peak, and the bytes of what is kept for later."""
    old, new, out = folder / "old.jsonl", folder / "new.jsonl", folder / "run"
    flags = [str(flag).format(old=old) for flag in METHODS[name]]
    size = () if "--batch-size" in flags else ("--batch-size", 8)
    sft("train", new, *flags, *size, "--model", model, "--max-steps", steps, "-o", out, "--force")
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    kept = out / "continual" / "importance.safetensors"
    stored = kept.stat().st_size if kept.exists() else 0
    adapter = out / "adapter_model.safetensors"
    if "--column-name" in flags:  # a checkpoint with the base in it
        plain = sum(path.stat().st_size for path in Path(model).glob("*.safetensors"))
        stored = sum(path.stat().st_size for path in out.glob("*.safetensors")) - plain
    return {
        "seconds": [line["seconds"] for line in lines[2:]],
        "tokens": lines[-1]["tokens"] / len(lines),
        "peak": lines[-1]["peak_memory_gb"],
        "stored": stored or (adapter.stat().st_size if adapter.exists() else 0),
    }


def main() -> None:
    """Run all in turn, print the table, and the time of one Fisher information."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--importance-rows", type=int, default=256)
    given = parser.parse_args()
    model = model_folder()
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in given.methods}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for task, seed in (("new", 0), ("old", 1)):
            rows = ({**row, "task": task} for row in made_rows(9 * given.steps, seed))
            write_rows(folder / f"{task}.jsonl", rows)
        for _ in range(given.repeats):
            for method in given.methods:
                found[method].append(made := run(method, model, folder, given.steps))
                step = statistics.median(made["seconds"])
                print(f"{method}: {step:.3f} s a step, peak {made['peak']:.3f} GB", file=sys.stderr, flush=True)
        print("| method | s a step | ratio | peak GB | more GB | kept for later, MB |")
        print("|---|---|---|---|---|---|")
        for method, runs in found.items():
            like = found.get("lora" if method.startswith("lora") else "plain", runs)
            seconds, plain = (statistics.median(s for run in each for s in run["seconds"]) for each in (runs, like))
            peak, least = (statistics.median(run["peak"] for run in each) for each in (runs, like))
            stored = runs[0]["stored"] / 1e6
            cells = (f"{seconds:.2f}", f"{seconds / plain:.3f}", f"{peak:.2f}", f"{peak - least:+.2f}", f"{stored:.1f}")
            print(f"| {method} | {' | '.join(cells)} |")
        if given.importance_rows:
            write_rows(folder / "many.jsonl", made_rows(given.importance_rows, 2))
            seconds = []
            for rows in (2, given.importance_rows):
                begun = time.perf_counter()
                flags = ("--regularizer", "ewc", "--importance-data", folder / "many.jsonl", "--importance-rows", rows)
                more = ("--fisher-temperature", 1, "--max-steps", 1, "--batch-size", 1)
                sft("train", folder / "new.jsonl", "--model", model, *flags, *more, "-o", folder / "run", "--force")
                seconds.append(time.perf_counter() - begun)
            each = (seconds[1] - seconds[0]) / (given.importance_rows - 2)
            print(f"Fisher information of {given.importance_rows} rows, once: {each * given.importance_rows:.0f} s")


if __name__ == "__main__":
    main()
