"""A training step of ours beside TRL's, on the same rows in the same order, in turn; and beside the machine's limit.

    make bench-train                                   # text of the Python manual
    make bench-train BENCH='--data alpaca_en.json'     # rows of one's own, in any format that `sft prep` reads
    python bench/train.py --preload libtcmalloc_minimal.so.4    # also with one allocator under both sides

Every run is a new process. The first two steps of each are left out (memory is touched for the first time); figures are
medians over steps and repeats. Peak memory is the whole process's.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from encode import HERE, as_peer_rows, made_rows, run, write_rows
from peers import model_folder, peer_python

WARM_UP = 2  # steps left out
BARS = {
    "full / TRL": "≥ 4",
    "full / TRL packed": "≥ 1.6",
    "lora / TRL lora": "≥ 3",
    "memory full / TRL": "≤ 0.5",
    "memory full / TRL packed": "≤ 0.9",
    "share of the limit": "≥ 0.65",
    "largest loss difference to float32": "≤ 0.01",
    "cost a target, 100 000 rows / 1 000": "0.9 to 1.1",
    "time, dry run / real": "0.75 to 1.25",
    "memory, dry run / real": "0.75 to 1.25",
}


class Bench:
    """What to run, and on what."""

    def __init__(self, chosen: argparse.Namespace, folder: Path) -> None:
        self.chosen, self.folder, self.model = chosen, folder, model_folder()
        self.rows = folder / "rows.jsonl"
        if chosen.data:
            subprocess.run(["sft", "prep", chosen.data, "-o", self.rows, "-q"], check=True)
        else:
            write_rows(self.rows, made_rows(400))
        self.peer_rows = as_peer_rows(self.rows, folder / "peer.jsonl")
        self.environment = {"OMP_NUM_THREADS": str(chosen.threads)}

    def ours(self, *flags: str, data: Path | None = None, steps: int = 0, **environment: str) -> dict[str, Any]:
        """One run of `sft train`, read from its metrics."""
        out = self.folder / "run"
        words = ["--batch-size", self.chosen.batch_size, "--max-steps", steps or self.chosen.steps, "--order", "given"]
        words += ["--schedule", "linear", "--warmup", 0, "--threads", self.chosen.threads, "--force", "-q"]
        command = ["sft", "train", data or self.rows, "--model", self.model, "-o", out, *words, *flags]
        variables = {**self.environment, **environment}
        run_plainly(command, variables)
        lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        tokens, targets = (per_step(lines, key) for key in ("tokens", "target_tokens"))
        found = {"tokens": tokens, "targets": targets, "seconds": [line["seconds"] for line in lines]}
        found |= {"losses": [line["loss"] for line in lines], "peak_gb": lines[-1]["peak_memory_gb"]}
        return found

    def theirs(self, *flags: str, **environment: str) -> dict[str, Any]:
        """One run of TRL."""
        words = [self.model, self.peer_rows, "--steps", self.chosen.steps, "--batch-size", self.chosen.batch_size]
        command = [peer_python(), HERE / "train_trl.py", *words, "--threads", self.chosen.threads, *flags]
        return run(command, **{**self.environment, **environment})

    def dry_run(self, steps: int) -> tuple[float, float]:
        """(seconds, GB) that a dry run expects."""
        words = ["--batch-size", self.chosen.batch_size, "--max-steps", steps, "--order", "given"]
        words += ["--threads", self.chosen.threads, "--dry-run"]
        command = ["sft", "train", self.rows, "--model", self.model, "-o", self.folder / "dry", *words]
        said = run_plainly(command, self.environment)
        found = re.search(r"about (?:(\d+) h )?(?:(\d+) min)?(?: ?(\d+) s)? for .* steps, ([\d.]+) GB", said)
        assert found is not None, said
        hours, minutes, seconds = (int(part or 0) for part in found.groups()[:3])
        return hours * 3600.0 + minutes * 60 + seconds, float(found[4])

    def limit(self) -> float:
        """The machine's bfloat16 rate now, GFLOP/s."""
        return float(run([sys.executable, HERE / "ceiling.py", self.chosen.threads], **self.environment)["bfloat16"])


def run_plainly(command: list[Any], variables: dict[str, str]) -> str:
    """Run a command whose output is a file; gives what it said."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env={**os.environ, **variables})
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stderr[-3000:]}")
    return done.stderr


def per_step(lines: list[dict[str, Any]], key: str) -> list[int]:
    """Differences of a key that counts on."""
    totals = [0, *(line[key] for line in lines)]
    return [after - before for before, after in pairwise(totals)]


def target_rate(runs: list[dict[str, Any]]) -> float:
    """Median target tokens per second over the warm steps of all runs."""
    return statistics.median(
        targets / seconds
        for found in runs
        for targets, seconds in list(zip(found["targets"], found["seconds"], strict=True))[WARM_UP:]
    )


def model_flops(model: str, rows: Path, batch_size: int, steps: int) -> list[float]:
    """FLOPs that each step must do: 6 × weights × tokens in the body, × targets in the head, causal attention."""
    from transformers import AutoConfig

    from sft_cli.data.rows import read_rows
    from sft_cli.encoding.encoder import Encoder
    from sft_cli.model.load import load_tokenizer
    from sft_cli.run.ledger import Ledger

    shape = AutoConfig.from_pretrained(model)
    width, layers = shape.hidden_size, shape.num_hidden_layers
    head = getattr(shape, "head_dim", None) or width // shape.num_attention_heads
    query, key = shape.num_attention_heads * head, shape.num_key_value_heads * head
    body = layers * (2 * width * query + 2 * width * key + 3 * width * shape.intermediate_size)
    encoder = Encoder(load_tokenizer(model))
    examples = [encoder.example(row) for _, row in read_rows([str(rows)], Ledger(), steps * batch_size)]
    found = []
    for start in range(0, steps * batch_size, batch_size):
        part = examples[start : start + batch_size]
        tokens, targets = sum(len(e.ids) for e in part), sum(e.target_count for e in part)
        attention = sum(6 * layers * query * len(e.ids) ** 2 for e in part)  # half of the square, forward and backward
        found.append(6.0 * body * tokens + 6.0 * width * shape.vocab_size * targets + attention)
    return found


def compare(bench: Bench, preload: str) -> tuple[dict[str, float], dict[str, Any]]:
    """Ours and TRL in turn, `repeats` times."""
    environment = {"LD_PRELOAD": preload} if preload else {}
    runs: dict[str, list[dict[str, Any]]] = {}
    limits, shares = [], []
    flops = model_flops(bench.model, bench.rows, bench.chosen.batch_size, bench.chosen.steps)
    for repeat in range(bench.chosen.repeats):
        limits.append(bench.limit())
        sides = {"full": bench.ours(**environment), "lora": bench.ours("--adapter", "lora", **environment)}
        limits.append(bench.limit())
        steps = zip(flops, sides["full"]["seconds"], strict=True)
        now = statistics.mean(limits[-2:])
        shares += [done / seconds / 1e9 / now for done, seconds in list(steps)[WARM_UP:]]
        sides["TRL"] = bench.theirs(**environment)
        sides["TRL packed"] = bench.theirs("--packing", **environment)
        sides["TRL lora"] = bench.theirs("--lora", **environment)
        for name, found in sides.items():
            runs.setdefault(name, []).append(found)
        print(f"repeat {repeat + 1} of {bench.chosen.repeats}", file=sys.stderr, flush=True)
    rates = {name: target_rate(found) for name, found in runs.items()}
    memory = {name: statistics.median(found["peak_gb"] for found in each) for name, each in runs.items()}
    print(
        f"\n{preload or 'each side with its own allocator settings'}\n{'':<12}{'targets/s':>10}{'GB':>7}  first losses"
    )
    for name in runs:
        losses = " ".join(f"{loss:.3f}" for loss in runs[name][0]["losses"][:6])
        print(f"{name:<12}{rates[name]:>10.1f}{memory[name]:>7.2f}  {losses}")
    figures = {f"{a} / {b}": rates[a] / rates[b] for a, b in (("full", "TRL"), ("full", "TRL packed"))}
    figures["lora / TRL lora"] = rates["lora"] / rates["TRL lora"]
    figures |= {f"memory full / {b}": memory["full"] / memory[b] for b in ("TRL", "TRL packed")}
    figures["share of the limit"] = statistics.median(shares)
    return figures, {"runs": runs, "limits_gflops": limits, "shares": shares}


def losses_against_float32(bench: Bench, steps: int = 20) -> tuple[float, list[list[float]]]:
    """Largest relative difference of the first losses to plain float32 training of the same rows."""
    words = [bench.model, bench.rows, steps, bench.chosen.batch_size, bench.chosen.threads]
    exact = run([sys.executable, HERE / "train_reference.py", *words], **bench.environment)["losses"]
    found = bench.ours(steps=steps)["losses"]
    return max(abs(a - b) / b for a, b in zip(found, exact, strict=True)), [found, exact]


def cost_by_size(bench: Bench, sizes: tuple[int, int] = (1000, 100_000)) -> float:
    """Seconds a target token of a step, of many rows over few."""
    costs: dict[int, list[float]] = {size: [] for size in sizes}
    files = {size: write_rows(bench.folder / f"{size}.jsonl", made_rows(size)) for size in sizes}
    for _ in range(3):
        for size in sizes:
            found = bench.ours("--order", "shuffled", data=files[size], steps=10)
            costs[size] += [s / t for s, t in zip(found["seconds"], found["targets"], strict=True)][WARM_UP:]
    few, many = (statistics.median(costs[size]) for size in sizes)
    return many / few


def estimate_against_run(bench: Bench, steps: int = 20) -> tuple[float, float]:
    """(seconds, memory) of a dry run over those of the run."""
    seconds, memory = bench.dry_run(steps)
    found = bench.ours(steps=steps)
    return seconds / sum(found["seconds"]), memory / found["peak_gb"]


def main() -> None:
    """Measure, print figure beside bar, and write bench/train.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a file that `sft prep` reads")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--preload", default="", help="an allocator's library, to measure both sides with too")
    parser.add_argument("--only", choices=("peers", "losses", "size", "estimate"), help="one part alone")
    chosen = parser.parse_args()
    figures: dict[str, float] = {}
    record: dict[str, Any] = {"settings": vars(chosen)}
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(chosen, Path(name))
        if chosen.only in (None, "peers"):
            figures, record["peers"] = compare(bench, "")
            if chosen.preload:
                record["preloaded figures"], record["preloaded"] = compare(bench, chosen.preload)
        if chosen.only in (None, "losses"):
            figures["largest loss difference to float32"], record["losses"] = losses_against_float32(bench)
        if chosen.only in (None, "size"):
            figures["cost a target, 100 000 rows / 1 000"] = cost_by_size(bench)
        if chosen.only in (None, "estimate"):
            figures["time, dry run / real"], figures["memory, dry run / real"] = estimate_against_run(bench)
    record["figures"] = figures
    print(f"\n{'figure':<40}{'measured':>9}  bar")
    for name, value in figures.items():
        print(f"{name:<40}{value:>9.3f}  {BARS[name]}")
    (HERE / "train.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
