"""Rows per second from text to masked token ids, ours and TRL's, in turn; memory and second start for many rows.

    make bench-encode                              # text of the Python manual, about a thousand rows
    python bench/encode.py --data rows.jsonl       # rows of one's own: single-turn chats
    python bench/encode.py --scale 1000 10000 100000 --peers no

Both sides start in a new process each time and know no text yet. The clock starts when libraries and tokenizer are
loaded. Ours reads the file, encodes, stores (and packs each step); TRL's is `SFTTrainer._prepare_dataset` of a data set
that is read already.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from peers import ROOT, model_folder, peer_python

HERE = Path(__file__).parent
VARIANTS = {"TRL": ("0", "1"), "TRL packed": ("1", "1"), "TRL, 2 processes": ("0", "2")}
MAX_LENGTH = "2048"


def passages() -> list[str]:
    """Paragraphs of the Python manual that is part of Python."""
    from pydoc_data.topics import topics

    found = [re.sub(r"[*`]", "", part).strip() for text in topics.values() for part in text.split("\n\n")]
    return sorted({part for part in found if 80 < len(part) < 1500})


def made_rows(count: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Single-turn chats of about 200 tokens; no two are alike."""
    draw, pool = random.Random(seed), passages()
    words = sorted({word for text in pool for word in text.split()})
    for number in range(count):
        question = f"Explain {draw.choice(words)} and {draw.choice(words)} (number {number})."
        answer = "\n\n".join(draw.choice(pool) for _ in range(draw.choice((1, 1, 2, 2, 3))))
        turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        yield {"id": f"r{number}", "messages": turns}


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Write rows as JSON lines."""
    with open(path, "w", encoding="utf-8") as sink:
        sink.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return path


def as_peer_rows(source: Path, target: Path) -> Path:
    """The same rows in TRL's format of prompt and completion."""
    rows = (json.loads(line) for line in source.read_text(encoding="utf-8").splitlines())
    return write_rows(target, ({"prompt": r["messages"][:-1], "completion": r["messages"][-1:]} for r in rows))


def run(command: list[Any], **environment: str) -> dict[str, Any]:
    """Run one side and give the last line of JSON that it prints."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=variables)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stderr[-3000:]}")
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]  # vLLM talks after it
    result: dict[str, Any] = json.loads(lines[-1])
    return result


def ours(model: str, data: Path, cache: bool = False, dump: str = "", **environment: str) -> dict[str, Any]:
    """One run of ours."""
    command = [sys.executable, HERE / "encode_ours.py", model, data, MAX_LENGTH, int(cache), dump]
    return run(command, **environment)


def compare(folder: Path) -> dict[str, int]:
    """How many rows have the same ids, and the same targets but for what the template writes after the stop token."""
    counts = {"rows": 0, "same ids": 0, "same targets": 0, "same but for the template's text after the stop token": 0}
    with open(folder / "ours.jsonl") as left, open(folder / "trl.jsonl") as right:
        for ours_line, peer_line in zip(left, right, strict=True):
            (ids, targets), (peer_ids, peer_targets) = json.loads(ours_line), json.loads(peer_line)
            last = max((i for i, is_target in enumerate(targets) if is_target), default=-1)
            counts["rows"] += 1
            counts["same ids"] += ids == peer_ids
            counts["same targets"] += targets == peer_targets
            until = peer_targets[: last + 1] == targets[: last + 1]
            counts["same but for the template's text after the stop token"] += until and targets != peer_targets
    return counts


def speed(model: str, data: Path, repeats: int, folder: Path) -> dict[str, Any]:
    """Both sides in turn, so that a busy moment of the machine falls on all."""
    python, peer_data = peer_python(), as_peer_rows(data, folder / "peer.jsonl")
    rows = len(data.read_text(encoding="utf-8").splitlines())
    times: dict[str, list[float]] = {name: [] for name in ("ours", "ours packed", *VARIANTS)}
    for repeat in range(repeats):
        dump = [str(folder / name) if repeat == 0 else "" for name in ("ours.jsonl", "trl.jsonl")]
        measured = ours(model, data, dump=dump[0])
        times["ours"].append(measured["encode_seconds"])
        times["ours packed"].append(measured["seconds"])
        for name, (packing, processes) in VARIANTS.items():
            wanted = dump[1] if name == "TRL" else ""
            command = [python, HERE / "encode_trl.py", model, peer_data, MAX_LENGTH, packing, processes, wanted]
            times[name].append(run(command)["seconds"])
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    print(f"{'':<20}{'median s':>10}{'fastest s':>11}{'rows/s':>10}{'ours is':>9}")
    ratios = {name: medians[name] / medians["ours packed" if name == "TRL packed" else "ours"] for name in VARIANTS}
    for name, median in medians.items():
        ratio = f"{ratios[name]:.1f}×" if name in ratios else ""
        print(f"{name:<20}{median:>10.3f}{min(times[name]):>11.3f}{rows / median:>10,.0f}{ratio:>9}")
    agreement = compare(folder)
    print(", ".join(f"{count} {what}" for what, count in agreement.items()))
    rates = {name: rows / median for name, median in medians.items()}
    return {"rows": rows, "seconds": times, "rows_per_second": rates, "ratios": ratios, "agreement": agreement}


def scale(model: str, sizes: list[int], folder: Path) -> list[dict[str, Any]]:
    """Cost per row, memory and second start for more and more rows."""
    found = []
    heads = ("s", 9), ("rows/s", 9), ("µs of CPU a row", 17), ("GB at start", 13), ("peak", 7), ("of a worker", 13)
    print(f"{'rows':>9}" + "".join(f"{head:>{width}}" for head, width in heads) + f"{'second start s':>16}")
    for size in sizes:
        data = write_rows(folder / "scale.jsonl", made_rows(size))
        first, second = (ours(model, data, cache=True, SFT_CACHE=str(folder / "cache")) for _ in range(2))
        line = {**first, "second_seconds": second["encode_seconds"], "second_note": second["note"]}
        found.append(line)
        memory = f"{line['start_gb']:>13.2f}{line['peak_gb']:>7.2f}{line['worker_gb']:>13.2f}"
        rate = size / line["encode_seconds"]
        speeds = f"{line['encode_seconds']:>9.1f}{rate:>9,.0f}{line['cpu_seconds'] / size * 1e6:>17.0f}"
        print(f"{size:>9,}{speeds}{memory}{line['second_seconds']:>16.2f}", flush=True)
    return found


def main() -> None:
    """Measure, print, and write bench/encode.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="JSONL rows of single-turn chats")
    parser.add_argument("--rows", type=int, default=1000, help="rows to make if --data is not given")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scale", type=int, nargs="*", default=[1000, 10_000, 100_000])
    parser.add_argument("--peers", choices=("yes", "no"), default="yes")
    chosen = parser.parse_args()
    model = model_folder()
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = chosen.data or write_rows(folder / "rows.jsonl", made_rows(chosen.rows))
        if chosen.peers == "yes":
            result["speed"] = speed(model, data, chosen.repeats, folder)
        if chosen.scale:
            result["scale"] = scale(model, chosen.scale, folder)
    (HERE / "encode.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
