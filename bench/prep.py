"""`sft prep` on many rows: speed beside datasets.map, near-duplicates beside datasketch, planted test rows.

    make bench-prep
    make bench-prep BENCH='rows --rows 10000000'
    make bench-prep BENCH='near --rows 1000000 --articles articles_1000.train'
    make bench-prep BENCH='contamination --questions gsm8k_train.jsonl'

`rows`: short instructions of 8 words with answers of 8 words; convert, check, exact duplicates, split, write. Beside it
datasets.map does the conversion alone, with as many processes. The memory is the sum of all processes (PSS), looked at
twice a second.

`near`: texts of 30 to 60 words; a tenth are copies with one to three words changed. The truth is the real Jaccard index
of runs of three words, of each copy and its original. datasketch finds duplicates by MinHashLSH with the same number of
permutations, on a sample of the rows, and its time is multiplied.

`contamination`: test rows are planted among training rows: word for word, in other case, with other spaces, with one
word changed, with the answer alone, with the question alone.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FIRSTS, SECONDS = ("ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu"), ("lan", "ter", "mon", "sil", "ver")
WORDS = [f"{first}{second}" for first in FIRSTS for second in SECONDS]


class Measured:
    """Seconds of a command, and the largest sum of the memory of its processes in bytes."""

    def __init__(self, command: list[str]) -> None:
        self.peak = 0
        start = time.perf_counter()
        self.process = subprocess.Popen(command)
        watch = threading.Thread(target=self._watch)
        watch.start()
        code = self.process.wait()
        self.seconds = time.perf_counter() - start
        watch.join()
        if code:
            raise SystemExit(f"{' '.join(command)}: exit code {code}")

    def _watch(self) -> None:
        while self.process.poll() is None:
            self.peak = max(self.peak, sum(map(proportional_bytes, tree(self.process.pid))))
            time.sleep(0.5)


def tree(pid: int) -> Iterator[int]:
    """A process and all processes that it has started."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from tree(int(child))


def proportional_bytes(pid: int) -> int:
    """The memory of a process (PSS)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024


def sft(*words: Any) -> list[str]:
    """The command line of sft."""
    return [sys.executable, "-m", "sft_cli", *map(str, words)]


def write_short(path: Path, count: int) -> None:
    """Short instructions; one in a hundred is a copy of an earlier one."""
    draw = random.Random(0)
    earlier: list[str] = []
    with open(path, "w", encoding="utf-8") as sink:
        for number in range(count):
            if number % 100 == 99:
                sink.write(draw.choice(earlier))
                continue
            asked, told = (" ".join(draw.choices(WORDS, k=8)) for _ in range(2))
            line = json.dumps({"instruction": f"{asked} {number}?", "input": "", "output": told}) + "\n"
            sink.write(line)
            if len(earlier) < 10_000:
                earlier.append(line)


BY_DATASETS = """
import sys, datasets
datasets.disable_progress_bars()
rows = datasets.load_dataset("json", data_files=sys.argv[1], split="train", cache_dir=sys.argv[2])
def convert(row):
    asked = "\\n".join(part for part in (row["instruction"], row["input"]) if part)
    return {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": row["output"]}]}
rows.map(convert, remove_columns=rows.column_names, num_proc=2).to_json(sys.argv[3])
"""


def measure_rows(given: argparse.Namespace, folder: Path) -> None:
    """Rows per second of sft prep for each number of rows, and of datasets.map for the smallest."""
    for place, count in enumerate(given.rows):
        raw = folder / f"{count}.jsonl"
        write_short(raw, count)
        flags = ["--dedup", "exact", "--split", "train=0.9,test=0.1", "--force", "-q"]
        ours = Measured(sft("prep", raw, *flags, "-o", folder / "out"))
        print(
            f"sft prep: {count:,} rows, {ours.seconds:.1f} s, {count / ours.seconds:,.0f} rows/s, "
            f"{1e6 * ours.seconds / count:.2f} µs a row, {ours.peak / 1e9:.2f} GB",
            flush=True,
        )
        if not place:
            theirs = Measured(
                [sys.executable, "-c", BY_DATASETS, str(raw), str(folder / "cache"), str(folder / "theirs.jsonl")]
            )
            print(
                f"datasets.map, conversion alone: {theirs.seconds:.1f} s, {count / theirs.seconds:,.0f} rows/s, "
                f"{theirs.peak / 1e9:.2f} GB; sft prep is {theirs.seconds / ours.seconds:.1f} times as fast",
                flush=True,
            )
        raw.unlink()


def near_texts(count: int) -> tuple[list[str], list[tuple[int, int]]]:
    """Texts, and the pairs (original, copy) that have a Jaccard index of at least 0.8."""
    draw = random.Random(1)
    texts: list[str] = []
    pairs = []
    for number in range(count):
        if number % 10 == 9:
            original = draw.randrange(number - 9, number - 1)
            words = texts[original].split()
            for _ in range(draw.randint(1, 3)):
                words[draw.randrange(len(words))] = f"x{draw.randrange(10**6)}"
            texts.append(" ".join(words))
            if jaccard(texts[original], texts[-1]) >= 0.8:
                pairs.append((original, number))
        else:
            texts.append(" ".join(f"w{draw.randrange(50_000)}" for _ in range(draw.randint(30, 60))))
    return texts, pairs


def runs(text: str) -> set[tuple[str, ...]]:
    """The runs of three words."""
    return set(zip(words := text.split(), words[1:], words[2:], strict=False))


def jaccard(first: str, second: str) -> float:
    """The Jaccard index of the runs of two texts."""
    return len(runs(first) & runs(second)) / len(runs(first) | runs(second))


def measure_near(given: argparse.Namespace, folder: Path) -> None:
    """Seconds, recall and precision of --dedup near on planted copies, and seconds of datasketch."""
    count = given.rows[0]
    texts, pairs = near_texts(count)
    raw, ledger = folder / "near.jsonl", folder / "ledger.jsonl"
    raw.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    ours = Measured(
        sft("prep", raw, "--dedup", "near", "--ledger", ledger, "--force", "-q", "-o", folder / "out.jsonl")
    )
    gone, right = set(), 0
    for line in ledger.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        here, kept = (int(entry[name].rpartition(":")[2]) - 1 for name in ("row", "kept_row"))
        gone.add(here)
        right += jaccard(texts[here], texts[kept]) >= 0.8
    recall = sum(first in gone or second in gone for first, second in pairs) / len(pairs)
    print(
        f"sft prep --dedup near: {count:,} rows, {ours.seconds:.1f} s, {ours.peak / 1e9:.2f} GB; "
        f"recall {recall:.4f} of {len(pairs):,} pairs, precision {right / len(gone):.4f} of {len(gone):,} rows",
        flush=True,
    )
    sample = min(count, given.sample)
    seconds, found = by_datasketch(texts[:sample])
    known = {pair for pair in pairs if pair[1] < sample}
    print(
        f"datasketch: {sample:,} rows, {seconds:.1f} s, recall {len(known & found) / len(known):.4f}; "
        f"sft prep is {seconds / sample / (ours.seconds / count):.1f} times as fast for each row"
    )
    if given.articles:
        measure_articles(Path(given.articles), folder)


def by_datasketch(texts: list[str]) -> tuple[float, set[tuple[int, int]]]:
    """Seconds of MinHashLSH with 128 permutations, and the pairs that it finds."""
    from datasketch import MinHash, MinHashLSH

    start = time.perf_counter()
    index, found = MinHashLSH(threshold=0.8, num_perm=128), set()
    for number, text in enumerate(texts):
        sketch = MinHash(num_perm=128)
        sketch.update_batch([" ".join(run).encode() for run in runs(text)])
        found |= {(int(other), number) for other in index.query(sketch)}
        index.insert(str(number), sketch)
    return time.perf_counter() - start, found


def measure_articles(path: Path, folder: Path) -> None:
    """The pairs of a published list of plagiarised articles."""
    names, raw = [], folder / "articles.jsonl"
    with open(raw, "w", encoding="utf-8") as sink:
        for line in path.read_text(encoding="utf-8").splitlines():
            name, _, text = line.partition(" ")
            names.append(name)
            sink.write(json.dumps({"text": text}) + "\n")
    ledger = folder / "articles.ledger.jsonl"
    flags = ["--dedup", f"near:least={0.8}", "--ledger", ledger, "--force", "-q", "-o", folder / "articles.out.jsonl"]
    Measured(sft("prep", raw, *flags))
    found = set()
    for line in ledger.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        found.add(frozenset(names[int(entry[name].rpartition(":")[2]) - 1] for name in ("row", "kept_row")))
    truth = {frozenset(line.split()) for line in path.with_suffix(".truth").read_text().splitlines() if line.strip()}
    print(f"articles: {len(found & truth)} of {len(truth)} pairs found, {len(found - truth)} others")


def planted(row: dict[str, str], kind: str, draw: random.Random) -> dict[str, str]:
    """A training row that has a test row in some form."""
    asked, told = row["question"], row["answer"]
    if kind == "other case":
        return {"question": asked.upper(), "answer": told.upper()}
    if kind == "other spaces":
        return {"question": asked.replace(" ", "  "), "answer": told.replace(" ", "\n")}
    if kind == "one word changed":
        words = asked.split()
        words[draw.randrange(len(words))] = "something"
        return {"question": " ".join(words), "answer": told}
    if kind == "answer alone":
        return {"question": f"Say number {draw.randrange(10**6)}.", "answer": told}
    if kind == "question alone":
        return {"question": asked, "answer": f"I do not know, {draw.randrange(10**6)}."}
    return {"question": asked, "answer": told}


KINDS = ("word for word", "other case", "other spaces", "one word changed", "answer alone", "question alone")


def measure_contamination(given: argparse.Namespace, folder: Path) -> None:
    """Recall of each kind of planted row and precision of all; what is found of rephrased questions."""
    draw = random.Random(2)
    rows = [json.loads(line) for line in Path(given.questions).read_text(encoding="utf-8").splitlines()]
    draw.shuffle(rows)
    half = len(rows) // 2
    test, train = rows[:half], rows[half:]
    mixed = [(row, "") for row in train] + [
        (planted(row, kind, draw), kind) for row, kind in zip(test, (KINDS * len(test))[: len(test)], strict=False)
    ]
    draw.shuffle(mixed)
    raw, held, ledger = folder / "raw.jsonl", folder / "test.jsonl", folder / "ledger.jsonl"
    raw.write_text("".join(json.dumps(row) + "\n" for row, _ in mixed), encoding="utf-8")
    held.write_text("".join(map(as_test, test)), encoding="utf-8")
    flags = ["--decontaminate", held, "--ledger", ledger, "--force", "-q"]
    Measured(sft("prep", raw, *flags, "-o", folder / "clean.jsonl"))
    found = [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines()]
    hit = Counter(mixed[int(entry["row"].rpartition(":")[2]) - 1][1] for entry in found)
    every = Counter(kind for _, kind in mixed)
    for kind in KINDS:
        print(f"{kind}: {hit[kind]} of {every[kind]} found")
    print(f"precision: {1 - hit[''] / max(len(found), 1):.4f}; {hit['']} of {every['']} other rows")


def as_test(row: dict[str, str]) -> str:
    """The line of a test row."""
    turns = [{"role": "user", "content": row["question"]}]
    return json.dumps({"messages": turns, "references": [row["answer"]]}) + "\n"


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["rows", "near"], help="rows, near, contamination")
    parser.add_argument("--rows", type=int, nargs="+", default=[200_000])
    parser.add_argument("--sample", type=int, default=20_000, help="rows for datasketch")
    for flag in ("--articles", "--questions"):
        parser.add_argument(flag)
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    measures = {"rows": measure_rows, "near": measure_near, "contamination": measure_contamination}
    for what in given.what:
        with tempfile.TemporaryDirectory() as folder:
            measures[what](given, Path(folder))


if __name__ == "__main__":
    main()
