"""How often `sft compare --explain --suggest` names a fault first that was planted in made-up generations.

    make bench-explain BENCH='--seeds 20'

200 rows of four tasks, a fifth of them in Chinese; the base is right in about 85 % of them. A fault is planted in some
rows, and 8 % of the other rows that were right are wrong at random. `none` has no fault: each group that is named there
is a false alarm, which should be rare: 5 % of the runs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from in_process import sft

ROWS, BACKGROUND, ALWAYS_WRONG, CHINESE = 200, 0.08, 0.15, 0.2
PLANTED = 24  # rows with a loop, a broken format, a cut answer or a copy among the training rows
TASKS = ("capital", "extract", "describe", "sentiment")
LOST = "capital"
WORDS = (
    "river",
    "old",
    "stone",
    "market",
    "bridge",
    "winter",
    "garden",
    "paper",
    "silver",
    "harbour",
    "green",
    "tower",
)
HAN = "河古石市桥冬园纸乐银港路绿塔信田"
Row = dict[str, Any]
Rows = list[Row]


def words(generator: random.Random, count: int, is_chinese: bool) -> str:
    """Some random words."""
    return "".join(generator.choices(HAN, k=count)) if is_chinese else " ".join(generator.choices(WORDS, k=count))


def reference(generator: random.Random, task: str, is_chinese: bool) -> str:
    """A right answer in the form of a task."""
    if task == "extract":
        return json.dumps({"name": words(generator, 1, is_chinese), "count": generator.randrange(90)})
    if task == "sentiment":
        return generator.choice(["positive", "negative", "neutral"])
    count = 1 + generator.randrange(2) if task == "capital" else 12 + generator.randrange(30)
    return words(generator, count, is_chinese)


def made_up(generator: random.Random) -> Rows:
    """Rows with a right answer, and a `wrong` one in the same form."""
    rows = []
    for number in range(ROWS):
        task, is_chinese = TASKS[number % len(TASKS)], generator.random() < CHINESE
        question = f"{words(generator, 3 + generator.randrange(25), is_chinese)} {number}?"
        right = wrong = reference(generator, task, is_chinese)
        while wrong == right:
            wrong = reference(generator, task, is_chinese)
        rows.append({"id": f"q{number}", "task": task, "question": question, "right": right, "wrong": wrong})
    return rows


def loop(row: Row, generator: random.Random) -> Row:
    """The answer repeats itself; mostly up to the token limit."""
    phrase = words(generator, 1 + generator.randrange(4), False)
    return {"completion": f"{phrase} " * 30, "finish_reason": "length" if generator.random() < 0.8 else "stop"}


def no_json(row: Row, generator: random.Random) -> Row:
    """The right values in a sentence."""
    return {"completion": f"The values are {', '.join(map(str, json.loads(row['right']).values()))}."}


def cut_short(row: Row, generator: random.Random) -> Row:
    """The first part of the right answer."""
    end = max(1, int(len(row["right"]) * generator.uniform(0.3, 0.8)))
    return {"completion": row["right"][:end], "finish_reason": "length"}


def wrong_answer(row: Row, generator: random.Random) -> Row:
    """Another answer in the same form."""
    return {"completion": row["wrong"]}


def any_row(row: Row) -> bool:
    """Each row can have the fault."""
    return True


# name: which rows can have the fault, how many have it, what it does, the cause and the rule that should be named first
# (a lost task is lost in all its rows)
FAULTS: dict[str, tuple[Callable[[Row], bool], int, Callable[[Row, random.Random], Row], str, str]] = {
    "loop": (any_row, PLANTED, loop, "loop", "loops"),
    "format break": (lambda row: row["task"] == "extract", PLANTED, no_json, "format", "format-json"),
    "lost task": (lambda row: row["task"] == LOST, ROWS, wrong_answer, "by", "lost-task"),
    "length cut": (lambda row: len(row["right"]) > 20, PLANTED, cut_short, "cut", "cut"),
    "leaked row": (any_row, PLANTED, wrong_answer, "trained", "leaked"),
    "none": (any_row, 0, wrong_answer, "", ""),
}


def plant(fault: str, seed: int, folder: Path, planted: int = PLANTED) -> None:
    """Write base.gen.jsonl, other.gen.jsonl and train.jsonl with a fault in `planted` rows into a folder."""
    generator = random.Random(f"{fault} {seed}")
    can_have, count, change, _, _ = FAULTS[fault]
    count = planted if count == PLANTED else count
    rows = made_up(generator)
    always_wrong = {row["id"] for row in rows if generator.random() < ALWAYS_WRONG}
    able = [row["id"] for row in rows if can_have(row) and row["id"] not in always_wrong]
    chosen = set(generator.sample(able, min(count, len(able))))
    base, other, train = [], [], []
    for row in rows:
        common = {
            "id": row["id"],
            "task": row["task"],
            "messages": [{"role": "user", "content": row["question"]}],
            "references": [row["right"]],
            "sample": 0,
            "finish_reason": "stop",
        }
        before = after = {"completion": row["wrong"] if row["id"] in always_wrong else row["right"]}
        if row["id"] in chosen:
            after = change(row, generator)
        elif row["id"] not in always_wrong and generator.random() < BACKGROUND:
            after = wrong_answer(row, generator)
        base.append({**common, **before})
        other.append({**common, **after})
        if fault == "leaked row" and row["id"] in chosen:
            question = row["question"].upper() if generator.random() < 0.5 else row["question"]
            train.append((question, row["right"]))
    train += [(f"{words(generator, 8, False)} {number}, new?", "yes") for number in range(200)]
    turns = [[{"role": "user", "content": ask}, {"role": "assistant", "content": say}] for ask, say in train]
    files = {"base.gen": base, "other.gen": other, "train": [{"messages": each} for each in turns]}
    for name, lines in files.items():
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


def named_first(fault: str, seed: int, folder: Path, planted: int = PLANTED) -> tuple[str, str, str]:
    """The cause, the group and the rule that are named first for a planted fault; empty if none is."""
    plant(fault, seed, folder, planted)
    for name in ("base", "other"):
        scores = folder / f"{name}.jsonl"
        sft("score", folder / f"{name}.gen.jsonl", "--metric", "exact-match", "-q", "--force", "-o", scores)
    files = [folder / "base.jsonl", folder / "other.jsonl"]
    flags = ["--metric", "exact-match", "--explain", "--suggest", "--train", folder / "train.jsonl", "--json", "-q"]
    document = json.loads(sft("compare", *files, *flags))
    group = document["explanations"][0]["groups"][0]
    rules = [each["rule"] for each in document["suggestions"] if each["rule"] != "too-little-data"]
    shown = (group["cause"], group["name"]) if group["is_shown"] else ("", "")
    return (*shown, rules[0] if rules else "")


def is_right(fault: str, named: tuple[str, str, str]) -> bool:
    """Whether the planted fault is the first group and the first suggestion; of `none`, whether no group is named."""
    *_, cause, rule = FAULTS[fault]
    wanted = f"task: {LOST}" if fault == "lost task" else named[1]
    return named == (cause, wanted, rule)


def main() -> None:
    """Print a line for each fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--planted", type=int, default=PLANTED, help="rows with the fault")
    flags = parser.parse_args()
    seeds = flags.seeds
    print("fault         named first  otherwise")
    for fault in FAULTS:
        missed = []
        for seed in range(seeds):
            with tempfile.TemporaryDirectory() as folder:
                named = named_first(fault, seed, Path(folder), flags.planted)
            if not is_right(fault, named):
                missed.append(f"{named[1] or 'no group'} ({named[2] or 'no rule'})")
        print(f"{fault:12}  {f'{seeds - len(missed)}/{seeds}':>11}  {'; '.join(missed)}".rstrip(), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
