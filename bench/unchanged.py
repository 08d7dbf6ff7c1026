"""Run the same commands by two checkouts and say where they differ: `bench/unchanged.py BEFORE AFTER [--only WORD]`.

For a change that must not change what users get. Every file that a command writes, its stdout, its stderr and its exit
code are compared byte by byte, less what the clock and the machine decide (see `stable`).
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CAPITALS = {
    "France": "Paris",
    "Chile": "Santiago",
    "China": "Beijing",
    "Norway": "Oslo",
    "Peru": "Lima",
    "Ghana": "Accra",
}
VARYING = {"bytes", "seconds", "tokens_per_second", "peak_memory_gb", "started", "host", "rows_per_second"}
TRAIN = "train data/train.jsonl --model {tiny} --batch-size 4 --max-steps 4 --learning-rate 1e-2 --threads 1"
METRICS = "--metric rouge-l --metric token-f1 --metric bleu --metric repetition"
REPLAY = "replay-build data/train.jsonl --model {tiny}"
OLD = "--importance-data data/test.jsonl --importance-rows 4"

# A name and a command each, in order: later ones read what earlier ones wrote. A name that ends in ! may fail.
RUNS = {
    "prep": "prep raw.csv --map question=ask --map answer=reply --task capitals --split train=0.7,test=0.3 -o data",
    "prep-sharegpt": "prep chats.json --format sharegpt -o chats.jsonl",
    "prep-text": "prep notes.md -o notes.jsonl",
    "prep-bad!": "prep bad.jsonl -o never.jsonl",
    "prep-skip": "prep bad.jsonl --on-error skip --rejects rejected.jsonl -o good.jsonl",
    "prep-check": "prep data/train.jsonl --check --show 1",
    "train-full": f"{TRAIN} --eval-data data/test.jsonl --eval-every 2 --show 1 -o runs/full",
    "train-lora": f"{TRAIN} --adapter lora --rank 2 --retain chats.jsonl --schedule cosine --warmup 0.5 -o runs/lora",
    "train-dora": f"{TRAIN} --adapter dora --rank 2 --optimizer muon --clip 0.5 --neftune-alpha 5 -o runs/dora",
    "train-ewc": f"{TRAIN} --regularizer ewc --strength 10 {OLD} -o runs/ewc",
    "train-si": f"{TRAIN} --record-importance si -o runs/si",
    "train-l2": f"{TRAIN} --regularizer l2-sp --regularizer kl --anchor-data chats.jsonl --anchor-rows 2 -o runs/l2",
    "train-column": f"{TRAIN} --adapter progressive --column-name a --save-every 2 --keep 2 -o runs/column",
    "train-mix": f"{TRAIN} notes.jsonl chats.jsonl --mix capitals=0.3 --mix notes=0.3 --mix chats=0.4 --stratify "
    "--loss focal --freeze-bottom 1 --task-weight capitals=2 -o runs/mix",
    "train-best": f"{TRAIN} --eval-data data/test.jsonl --eval-every 1 --best --patience 1 --eval-metric exact-match "
    "--token-cache -o runs/best",
    "train-dry": f"{TRAIN} --check-template --dry-run -o runs/dry",
    "train-wrong!": f"{TRAIN} --rank 4 -o runs/wrong",
    "train-continue": f"{TRAIN.replace('{tiny}', 'runs/si')} --regularizer si -o runs/si2",
    "train-two": f"torchrun {TRAIN} -o runs/two",
    "distill": f"{TRAIN.replace('train ', 'distill ', 1)} --teacher {{untied}} -o runs/distill",
    "distill-no-teacher!": f"{TRAIN.replace('train ', 'distill ', 1)} -o runs/distill2",
    "generate": "generate runs/full data/test.jsonl --max-new-tokens 8 --logprobs -o full.gen.jsonl",
    "generate-base": "generate {tiny} data/test.jsonl --max-new-tokens 8 -o base.gen.jsonl",
    "generate-samples": "generate runs/si data/test.jsonl --max-new-tokens 6 --samples 3 --temperature 1 --seed 5 "
    "--extract number --consistency majority --diagnose-repetition -o samples.gen.jsonl",
    "generate-beams": "generate runs/column data/test.jsonl --max-new-tokens 6 --num-beams 2 --prompt-template role",
    "generate-regex": "generate {untied} --prompt Hello --regex [a-c]+ --max-new-tokens 8",
    "generate-echo": "generate runs/full notes.jsonl --echo-logprobs -o echo.jsonl",
    "generate-show": "generate runs/full data/test.jsonl --show 1 --dry-run",
    "score": f"score full.gen.jsonl {METRICS} --by task -o full.jsonl",
    "score-base": f"score base.gen.jsonl {METRICS} -o base.jsonl",
    "score-perplexity": "score echo.jsonl --metric perplexity",
    "score-unknown!": "score full.gen.jsonl --metric rouge-x",
    "compare": "compare base.jsonl full.jsonl",
    "compare-json": "compare base.jsonl full.jsonl --json",
    "compare-gate!": "compare base.jsonl full.jsonl --fail-if-worse rouge-l",
    "forgetting": "compare sequence/base.jsonl sequence/after-labels.jsonl sequence/after-dates.jsonl --forgetting "
    "--learned labels --learned dates --general-text wiki --base-samples own",
    "replay-reservoir": "replay-build data/train.jsonl chats.jsonl --rows 5 -o buffer.jsonl",
    "replay-k-means": f"{REPLAY} --rows 5 --select k-means --clusters 2 -o k-means.jsonl",
    "replay-loss": f"{REPLAY} --rows 5 --select loss-low -o loss.jsonl",
    "replay-nearest": f"{REPLAY} --rows 5 --select nearest --nearest-to chats.jsonl",
    "replay-herding": f"{REPLAY} --tokens 90 --select herding",
    "synthesize!": "replay-build data/train.jsonl --rows 2 --synthesize in-context --model {tiny} --max-new-tokens 16 "
    "--shots 2 -o written.jsonl",
    "export-merge": "export runs/lora -o merged",
    "export-between": "export runs/full --interpolate 0.5 -o between",
    "print-config": "train --print-config",
    "no-such-flag!": "train --learning 3",
}  # fmt: skip


def write_inputs(folder: Path) -> None:
    """Small files that the commands read."""
    rows = [f"What is the capital of {land}? ({n}),{city}" for n in range(6) for land, city in CAPITALS.items()]
    (folder / "raw.csv").write_text("ask,reply\n" + "\n".join(rows) + "\n", encoding="utf-8")
    talk = [
        {"conversations": [{"from": "human", "value": f"Say {word}."}, {"from": "gpt", "value": word}]}
        for word in ("yes", "no", "你好", "fox", "dog", "over")
    ]
    (folder / "chats.json").write_text(json.dumps(talk), encoding="utf-8")
    (folder / "notes.md").write_text(
        "# Foxes\n\nThe quick brown fox jumps.\n\n# Dogs\n\nThe dog is lazy.\n", encoding="utf-8"
    )
    good = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    bad = {"messages": [{"role": "robot", "content": "Hi"}]}
    lines = [json.dumps(good), json.dumps(bad), "{", json.dumps(good)]
    (folder / "bad.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    sequence = ROOT / "docs" / "examples" / "sequence"
    subprocess.run(["cp", "-r", str(sequence), str(folder / "sequence")], check=True)


def save_models(folder: Path) -> dict[str, str]:
    """The tiny models of the tests."""
    sys.path.insert(0, str(ROOT / "tests" / "helpers"))
    import tiny_models

    return {name: str(tiny_models.save(name, folder)) for name in ("tiny", "untied")}


def stable(text: str, folder: Path, checkout: Path) -> str:
    """The text less what the clock, the place and the load of the machine decide."""
    text = text.replace(str(folder), "HERE").replace(str(checkout), "CHECKOUT")
    text = re.sub(r"\x1b\[[0-9;]*[mK]", "", text)
    text = re.sub(r"\d[\d,.]* (s\b|tokens/s|rows/s|GB\b|MB\b|ms\b)", r"# \1", text)
    text = re.sub(r"^.* left$\n", "", text, flags=re.MULTILINE)  # how often progress is shown depends on the clock
    text = re.sub(r"(tokens/s|rows/s) [\d,.]+", r"\1 #", text)
    return re.sub(r"([\w.]+-)?[0-9a-f]{32,64}\b", "#", text)


def without_varying(value: object) -> object:
    """JSON without the keys that differ from run to run."""
    if isinstance(value, dict):
        return {k: without_varying(v) for k, v in value.items() if k not in VARYING | {"run", "git", "fingerprint"}}
    return [without_varying(one) for one in value] if isinstance(value, list) else value


def content(path: Path, folder: Path, checkout: Path) -> bytes:
    """What a file says: JSON without its varying keys, other text with them masked, all else as it is."""
    data = path.read_bytes()
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data
    if path.suffix in {".json", ".jsonl"}:
        lines = [text] if path.suffix == ".json" else text.splitlines()
        with contextlib.suppress(json.JSONDecodeError):  # bad rows are compared as they are
            text = "\n".join(json.dumps(without_varying(json.loads(line))) for line in lines if line)
    return stable(text, folder, checkout).encode()


def run_all(checkout: Path, folder: Path, models: dict[str, str], names: list[str]) -> dict[str, bytes]:
    """Each command in turn, in one folder: the bytes of all that it says and leaves, by name."""
    write_inputs(folder)
    seen: dict[str, bytes] = {}
    environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    environment["XDG_CACHE_HOME"] = str(folder / "cache")
    for name in names:
        words = [word.format(**models) if "{" in word else word for word in shlex.split(RUNS[name])]
        start = [sys.executable, "-m", "sft_cli"]
        if words[0] == "torchrun":
            start, words = (
                [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *start[1:]],
                words[1:],
            )
        done = subprocess.run(
            [*start, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if not name.endswith("!") and done.returncode:
            print(f"{checkout}: {name}: exit {done.returncode}\n{done.stderr[-2000:]}")
        seen[f"{name}: exit"] = str(done.returncode).encode()
        seen[f"{name}: stdout"] = stable(done.stdout, folder, checkout).encode()
        seen[f"{name}: stderr"] = stable(done.stderr, folder, checkout).encode()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "cache" not in path.relative_to(folder).parts and path.suffix != ".partial":
            seen[str(path.relative_to(folder))] = content(path, folder, checkout)
    return seen


def main() -> None:
    """Run both sides at once, print what differs, exit 1 if anything does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--only", default="", help="only prep and the commands whose name has this word")
    args = parser.parse_args()
    names = [name for name in RUNS if args.only in name or (args.only and name == "prep")]
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(2) as pool:
        models = save_models(Path(temporary) / "models")
        folders = [Path(temporary) / side / "work" for side in "ab"]
        for folder in folders:
            folder.mkdir(parents=True)
        sides = [args.before.resolve(), args.after.resolve()]
        before, after = pool.map(run_all, sides, folders, [models] * 2, [names] * 2)
    differing = [name for name in before | after if before.get(name) != after.get(name)]
    for name in differing:
        print(f"--- {name}")
        old, new = (side.get(name, b"").decode("utf-8", "replace") for side in (before, after))
        print(*difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=0), sep="\n")
    print(f"{len(names)} commands, {len(before)} outputs, {len(differing)} differ")
    sys.exit(bool(differing))


if __name__ == "__main__":
    main()
