"""Tokens per second of `sft generate`, transformers' generate() and vLLM's CPU build on the same prompts, in turn.

    make bench-generate                                       # prompts made from the Python manual
    python bench/generate.py --data rows.jsonl                # rows of one's own, with messages
    python bench/generate.py --only equal flat --sizes 64 640 6400

SmolLM2-135M in bfloat16, greedy, two threads. Every side starts in a new process; its clock starts when it has loaded.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from encode import HERE, passages, run, write_rows
from peers import ROOT, model_folder, peer_python

PARTS = ("speed", "equal", "kill", "flat")
KILLS = 20
ENVIRONMENT = {"OMP_NUM_THREADS": "2", "HF_HUB_OFFLINE": "1"}


def prompts(count: int) -> list[dict[str, Any]]:
    """Requests about paragraphs of the manual; no two are alike."""
    draw, pool = random.Random(0), passages()
    rows = []
    for number in range(count):
        text = " ".join(draw.choice(pool).split()[: draw.choice((10, 20, 40))])
        asked = draw.choice(("Explain this", "Write a story that begins like this", "Summarise this", "Continue this"))
        rows.append({"id": str(number), "messages": [{"role": "user", "content": f"{asked} ({number}): {text}"}]})
    return rows


def ours(model: str, path: Path, *more: Any) -> dict[str, Any]:
    """Our engine on a file of prompts."""
    command = [sys.executable, HERE / "generate_ours.py", model, path, path.with_suffix(".ours"), *more]
    return run(command, **ENVIRONMENT)


def theirs(model: str, path: Path, *more: Any) -> dict[str, Any]:
    """transformers' generate() on a file of prompts."""
    command = [peer_python(), HERE / "generate_transformers.py", model, path, path.with_suffix(".theirs"), *more]
    return run(command, **ENVIRONMENT)


def vllm(model: str, path: Path, *more: Any) -> dict[str, Any] | None:
    """vLLM on a file of prompts, if `SFT_BENCH_VLLM` names an environment that has it."""
    folder = os.environ.get("SFT_BENCH_VLLM")
    if not folder:
        return None
    command = [Path(folder) / "bin" / "python", HERE / "generate_vllm.py", model, path, *more]
    limits = {"VLLM_CPU_KVCACHE_SPACE": "2", "VLLM_CPU_OMP_THREADS_BIND": "0-1"}
    return run(command, **ENVIRONMENT, **limits, PYTHONPATH="")


def show_speed(model: str, path: Path, repeats: int) -> None:
    """All sides in turn."""
    sides = {"transformers, batch 16": theirs, "vLLM": vllm, "sft": ours}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, side in sides.items():
            result = side(model, path)
            if result:
                found[name].append(result)
    rates = {}
    for name, results in found.items():
        if not results:
            print(f"{name}: not run; SFT_BENCH_VLLM names an environment with vllm-cpu")
            continue
        each = [result["tokens"] / result["seconds"] for result in results]
        rates[name], peak = statistics.median(each), max(result["peak_gb"] for result in results)
        runs = ", ".join(f"{rate:.0f}" for rate in each)
        print(f"{name}: {rates[name]:.0f} tokens/s ({runs}), {results[0]['tokens']:,} tokens, peak {peak:.2f} GB")
    for name in list(rates)[:-1]:
        print(f"  sft / {name}: {rates['sft'] / rates[name]:.2f}")


def show_equal(model: str, path: Path) -> None:
    """Greedy in float32, against generate() of one row at a time."""
    ours(model, path, "--dtype", "float32")
    theirs(model, path, "--dtype", "float32", "--batch-size", 1)
    pairs = zip(*(path.with_suffix(end).read_text().splitlines() for end in (".ours", ".theirs")), strict=True)
    same = [mine == other for mine, other in pairs]
    print(f"float32, row by row: {sum(same)} of {len(same)} completions equal those of generate()")


def show_kills(model: str, folder: Path, path: Path) -> None:
    """`sft generate` killed at random moments and given again, until it is done, against a run that nobody kills."""
    draw, straight, killed = random.Random(0), folder / "straight.jsonl", folder / "killed.jsonl"
    command = [sys.executable, "-m", "sft_cli", "generate", model, path, "--max-new-tokens", 96]
    command += ["--batch-tokens", 2048, "-q", "-o"]  # some texts at a time, so that some are done when it is killed
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2"}
    words = [str(word) for word in command]
    seconds = []
    for more in ([os.devnull, "--dry-run"], [straight]):
        begun = time.perf_counter()
        subprocess.run([*words, *map(str, more)], check=True, env=environment)
        seconds.append(time.perf_counter() - begun)
    kills, (start, whole) = 0, seconds
    while not killed.exists():
        process = subprocess.Popen([*words, str(killed)], env=environment)
        try:
            process.wait(start + draw.uniform(-0.2, 1) * whole / 10 if kills < KILLS else None)
        except subprocess.TimeoutExpired:
            process.kill()
            kills += process.wait() == -signal.SIGKILL
    same = straight.read_bytes() == killed.read_bytes()
    print(f"kill -9: {kills} times; the file is {'equal to' if same else 'NOT'} that of a run that nobody killed")


def show_flat(model: str, folder: Path, rows: list[dict[str, Any]], sizes: list[int], new_tokens: int) -> None:
    """Cost per token as the file grows."""
    costs = []
    for size in sizes:
        many = [{**rows[at % len(rows)], "id": str(at)} for at in range(size)]
        result = ours(model, write_rows(folder / f"{size}.jsonl", many), "--new-tokens", new_tokens)
        costs.append(1000 * result["seconds"] / result["tokens"])
        print(
            f"{size:>6,} prompts, up to {new_tokens} tokens: {costs[-1]:.3f} ms a token ({costs[-1] / costs[0]:.2f} of "
            f"the first), {result['tokens']:,} tokens, peak {result['peak_gb']:.2f} GB"
        )


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="rows with messages; the default makes some")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 640, 6400])
    parser.add_argument("--new-tokens", type=int, default=128, help="of the files that grow")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS))
    given = parser.parse_args()
    rows = prompts(max(64, *given.sizes))  # no prompt twice: equal ones are read once
    if given.data:
        with open(given.data, encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
    model = model_folder()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write_rows(folder / "prompts.jsonl", rows[:64])
        if "speed" in given.only:
            show_speed(model, path, given.repeats)
        if "equal" in given.only:
            show_equal(model, path)
        if "kill" in given.only:
            show_kills(model, folder, path)
        if "flat" in given.only:
            show_flat(model, folder, rows, given.sizes, given.new_tokens)


if __name__ == "__main__":
    main()
