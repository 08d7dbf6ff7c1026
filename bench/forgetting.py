"""What each way of not forgetting keeps of old tasks, and what it costs the new one: a tiny model, minutes.

    make bench-forgetting
    python bench/forgetting.py --seeds 10 --methods naive ewc replay

Each seed has its own data, model and order of rows. Each method has up to four settings, naive training its learning
rate. On seeds apart from those that are reported, the one is chosen that keeps most, of those whose new task is within
two points of the best naive one. Then every method runs once on each reporting seed, from the same model, naive
training also at the rate of the others.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from forgetting_methods import METHODS, Step, keeps_most
from forgetting_report import holm, plot, sign_flip_p, table
from forgetting_tiny import LENGTH, NEW, OLD, make_model, write_data
from in_process import CommandFailed, sft

TUNING = tuple(range(100, 108))
FIRST = 400  # of the seeds that are reported: those below were looked at while this was made
JUDGED = ("ewc", "si", "l2-sp", "replay", "kl-replay", "progressive")
QUIET = ("--dtype", "float32", "--threads", 1, "-q")
RATE = 3e-4  # in the middle of those at which naive training learns the new task on all tuning seeds, 6e-5 to 3e-3


def prepare(folder: Path, seed: int) -> Step:
    """A model that has learned the old tasks together, with SI's importance, and a buffer of 5 % of their rows.

    From one that learned them without weight decay, a new task is learned wholly or not at all, by seed (docs/log.md).
    """
    write_data(folder, seed)
    made = make_model(folder / "made", seed)
    train = ("--epochs", 12, "--batch-size", 32, "--learning-rate", "3e-3", "--weight-decay", 0.5)
    more = ("--record-importance", "si", "--seed", seed)
    sft("train", folder / "old.jsonl", "--model", made, *train, *more, "-o", folder / "base", *QUIET)
    sft("replay-build", folder / "old.jsonl", "--fraction", 0.05, "--seed", seed, "-o", folder / "buffer.jsonl", "-q")
    paths = [folder / name for name in ("base", "new.jsonl", "old.jsonl", "buffer.jsonl")]
    return Step(*paths, RATE, *NEW, column=("--column-ratio", 2, "--column-stride", 1))


def run_method(step: Step, name: str, knob: float, seed: int) -> dict[str, Any]:
    """Train by a method and give {"old", "new"}: shares of letters that are right, and the seconds of training."""
    method, folder = METHODS[name], step.model.parent
    begun = time.perf_counter()
    flags = ("--epochs", 8, "--batch-size", 32, "--seed", seed, *method.flags(step, knob))
    out = folder / "run"
    shutil.rmtree(out, ignore_errors=True)
    sft("train", *method.data(step), "--model", step.model, *flags, "-o", out, *QUIET)
    seconds = time.perf_counter() - begun
    if method.after is not None:
        sft("export", out, *method.after(step, knob), "-o", folder / "exported", "--force", "-q")
        out = folder / "exported"
    found = accuracies(out, folder)
    if method.keeps_base:
        base = accuracies(out, folder, "--column", "base")
        found = {task: base[task] if task in OLD else share for task, share in found.items()}
    old = statistics.fmean(found[task] for task in OLD)
    result = {"old": old, "new": found[next(iter(NEW))], "seconds": seconds}
    if method.keeps_base:
        result["is_identical"] = is_identical(step.model, out)
    return result


def accuracies(model: Path, folder: Path, *more: Any) -> dict[str, float]:
    """The share of answers' letters that are right, by task."""
    options = ("--max-new-tokens", LENGTH + 1, "--temperature", 0, "--force", *more)
    sft("generate", model, folder / "test.jsonl", *options, "-o", folder / "answers.jsonl", *QUIET)
    right: dict[str, list[float]] = {}
    for line in (folder / "answers.jsonl").read_text().splitlines():
        row = json.loads(line)
        pairs = zip(row["completion"].split(), row["references"][0].split(), strict=False)
        right.setdefault(row["task"], []).append(sum(a == b for a, b in pairs) / LENGTH)
    return {task: statistics.fmean(shares) for task, shares in right.items()}


def is_identical(base: Path, other: Path) -> bool:
    """Whether the base column of `other` gives the logits of `base`, to the bit."""
    import torch

    from sft_cli.model.load import load_model

    ids = torch.randint(4, 30, (8, 12), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        left, right = (load_model(str(path), "float32") for path in (base, other))
        right.use_column("base")
        return torch.equal(left(input_ids=ids).logits, right(input_ids=ids).logits)


def run_seed(seed: int, chosen: dict[str, list[float]]) -> dict[str, list[dict[str, Any]]]:
    """Everything about one seed: by method, what each of its knobs gives."""
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        step = prepare(Path(name), seed)
        found: dict[str, list[dict[str, Any]]] = {"start": [accuracies(step.model, Path(name))]}
        for method, knobs in chosen.items():
            found[method] = []
            for knob in knobs:
                try:
                    found[method].append({"knob": knob, **run_method(step, method, knob, seed)})
                except CommandFailed as error:
                    raise SystemExit(f"{method} at {knob:g}: {error}") from error
        return found


def choose(tuned: list[dict[str, list[dict[str, Any]]]], names: list[str]) -> dict[str, list[float]]:
    """The knob of each method to report: of those that learn the new task, the one that keeps most."""
    best = max(mean(tuned, "naive", place, "new") for place in range(len(METHODS["naive"].grid)))
    chosen = {}
    for name in names:
        place = keeps_most(
            range(len(METHODS[name].grid)),
            lambda place, name=name: mean(tuned, name, place, "new"),
            lambda place, name=name: mean(tuned, name, place, "old"),
            best,
        )
        chosen[name] = [METHODS[name].grid[place]]
    return chosen


def mean(runs: list[dict[str, list[dict[str, Any]]]], name: str, place: int, key: str) -> float:
    """Over seeds."""
    return statistics.fmean(run[name][place][key] for run in runs)


def report(runs: list[dict[str, list[dict[str, Any]]]], chosen: dict[str, list[float]]) -> list[dict[str, Any]]:
    """One entry for each method and knob: shares by seed, exact paired p-values against naive training at its best."""
    found = []
    for name, place in ((name, place) for name, knobs in chosen.items() for place in range(len(knobs))):
        entry: dict[str, Any] = {"method": name, "knob": chosen[name][place]}
        for key in ("old", "new", "seconds"):
            entry[key] = [run[name][place][key] for run in runs]
        gained = [run[name][place]["old"] - run["naive"][0]["old"] for run in runs]
        entry |= {"gained": gained, "p": sign_flip_p(gained) if name != "naive" else math.nan}
        if METHODS[name].keeps_base:
            entry["is_identical"] = all(run[name][place]["is_identical"] for run in runs)
        found.append(entry)
    judged = [entry for entry in found if entry["method"] in JUDGED]
    for entry, p in zip(judged, holm([entry["p"] for entry in judged]), strict=True):
        entry["holm"] = p
    return found


def main() -> None:
    """Tune, run, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="that are reported")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "forgetting.json")
    parser.add_argument("--plot", type=Path, help="write the learning-forgetting curves there, as SVG")
    given = parser.parse_args()
    names = list(dict.fromkeys(["naive", *given.methods]))
    begun = time.perf_counter()
    with ProcessPoolExecutor(given.workers, mp_context=get_context("spawn")) as pool:
        grids = {name: list(METHODS[name].grid) for name in names}
        tuned = list(pool.map(run_seed, TUNING, [grids] * len(TUNING)))
        chosen = choose(tuned, names)
        chosen["naive"] = list(dict.fromkeys([*chosen["naive"], 1.0]))
        runs = list(pool.map(run_seed, range(FIRST, FIRST + given.seeds), [chosen] * given.seeds))
    entries = report(runs, chosen)
    print(table(entries))
    by_name = {entry["method"]: statistics.fmean(entry["old"]) for entry in entries}
    if {"replay", "multi-task"} <= set(by_name):
        print(f"replay / multi-task on old tasks: {by_name['replay'] / by_name['multi-task']:.3f}")
    print(f"{given.seeds} seeds, {(time.perf_counter() - begun) / 60:.1f} min")
    given.out.write_text(json.dumps({"tuned": tuned, "chosen": chosen, "report": entries}, indent=1) + "\n")
    if given.plot:
        points = {
            name: sorted(
                (knob, mean(tuned, name, place, "new"), mean(tuned, name, place, "old"))
                for place, knob in enumerate(METHODS[name].grid)
            )
            for name in names
        }
        given.plot.write_text(plot(points), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
