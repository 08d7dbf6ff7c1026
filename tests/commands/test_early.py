"""A mistake that needs no model is told before torch is imported: within half a second, not after four."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sft_cli.commands import COMMANDS

ROW = {"id": "r", "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
NONE = "none.jsonl: cannot read: No such file or directory"
THERE = "already exists\nhint: --force"
OUT = "--out: expected a directory for train"
# What is typed, and what is said of it. `m` is a directory with a config.json and no weights, `rows.jsonl` one row.
MISTAKES: list[tuple[str, str]] = [
    ("prep none.jsonl", NONE),
    ("prep rows.jsonl -o there.jsonl", THERE),
    ("prep rows.jsonl --format alpac", "--format: expected one of auto"),
    ("prep rows.jsonl --nosuch 1", "--nosuch: unknown flag"),
    ("prep rows.jsonl --judge-template t.j2", "--judge-template: t.j2: cannot read"),
    ("train rows.jsonl --model m", OUT),
    ("train rows.jsonl --model m -o there", THERE),
    ("train none.jsonl --model m -o new", NONE),
    ("train rows.jsonl --model m -o new --eval-data none.jsonl", f"--eval-data: {NONE}"),
    ("train rows.jsonl --model m -o new --token-weights none.toml", "--token-weights: none.toml: cannot read"),
    ("train rows.jsonl --model ./none -o new", "./none: no such checkpoint directory\nhint: a model is"),
    ("train rows.jsonl --model there -o new", "there: expected a checkpoint directory"),
    ("train rows.jsonl --model none.gguf -o new", "none.gguf: no such file"),
    ("train rows.jsonl -o new", "Missing option '--model'"),
    ("train rows.jsonl --model m -o new --adapter lorra", "unknown adapter 'lorra'. Did you mean 'lora'?"),
    ("train rows.jsonl --model m -o new --loss dtf", "unknown loss 'dtf'. Did you mean 'dft'?"),
    ("train rows.jsonl --model m -o new --focal-gamma 1", "--focal-gamma: expected --loss focal"),
    ("train rows.jsonl --model m -o new --rank 4", "--rank: expected --adapter to be one of"),
    ("train rows.jsonl --model m -o new --batch-size 1 --batch-tokens 9", "--batch-tokens: expected only one of"),
    ("train rows.jsonl --model m -o new --best", "--best: needs held-out rows"),
    ("train rows.jsonl --model m -o new --regularizer kl", "--regularizer kl: expected --anchor-data FILE"),
    ("train rows.jsonl --model m -o new --eval-data rows.jsonl --eval-metric rouge-9", "unknown metric 'rouge-9'"),
    ("train rows.jsonl --model m -o new --batch-size 0", "--batch-size: expected at least 1"),
    ("distill rows.jsonl --model m --teacher m", "--out: expected a directory for distill"),
    ("distill rows.jsonl --model m --teacher ./none -o new", "./none: no such checkpoint directory"),
    ("distill rows.jsonl --model m -o new", "Missing option '--teacher'"),
    (
        "distill rows.jsonl --model m --teacher m -o new --loss dft",
        "--loss: expected cross-entropy, which distillation combines",
    ),
    ("replay-build none.jsonl --rows 3", NONE),
    ("replay-build rows.jsonl", "expected one of --rows, --tokens and --fraction"),
    ("replay-build rows.jsonl --rows 1 --select k-means --model ./none", "./none: no such checkpoint directory"),
    ("replay-build rows.jsonl --rows 1 --select k-means --model m -o there.jsonl", THERE),
    ("retrieve rows.jsonl", "--corpus: expected files to search, or --index DIR, got neither"),
    ("retrieve rows.jsonl --corpus none.jsonl", NONE),
    ("retrieve rows.jsonl --corpus rows.jsonl -o there.jsonl", THERE),
    ("retrieve rows.jsonl --corpus rows.jsonl --method dense", "--method dense: needs a model"),
    ("verify none.jsonl", NONE),
    ("verify rows.jsonl -o there.jsonl", THERE),
    ("verify rows.jsonl --policy abstian", "unknown policy 'abstian'. Did you mean 'abstain'?"),
    ("verify rows.jsonl --knowledge rows.jsonl", "--knowledge, --patterns: expected both or neither"),
    ("generate m none.jsonl", NONE),
    ("generate m rows.jsonl -o there.jsonl", THERE),
    ("generate ./none rows.jsonl", "./none: no such checkpoint directory"),
    ("generate m rows.jsonl --engine vlm", "unknown engine 'vlm'. Did you mean 'vllm'?"),
    ("generate m rows.jsonl --extract numbr", "--extract: expected one of"),
    ("generate m rows.jsonl --base-url u", "--base-url: expected --engine openai, got --engine transformers"),
    ("generate m rows.jsonl --json-schema none.json", "--json-schema: none.json: cannot read"),
    ("generate m bad.jsonl", "bad.jsonl:1: messages: expected a list"),
    ("generate m rows.jsonl --choices", "--choices: no row has choices"),
    ("score none.jsonl", NONE),
    ("score rows.jsonl --metric exact-mach", "unknown metric 'exact-mach'. Did you mean 'exact-match'?"),
    ("score rows.jsonl -o there.jsonl", THERE),
    ("compare none.jsonl rows.jsonl", NONE),
    ("compare rows.jsonl,none.jsonl rows.jsonl --forgetting", NONE),
    ("export ./none -o new", "./none: no such checkpoint directory"),
    ("export m", "--out: expected a directory for export"),
    ("export m -o there", THERE),
    ("export m -o new --base m", "--base: has an effect only with --interpolate A"),
]
# One process for all, so that its start is paid once: the first mistake that imports a heavy library is the last.
SCRIPT = """
import contextlib, io, json, sys
from sft_cli.cli import run
found = []
for words in json.load(sys.stdin):
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
        code = run(*words)
    found.append([code, err.getvalue(), [name for name in ("torch", "transformers", "peft") if name in sys.modules]])
print(json.dumps(found))
"""


@pytest.mark.slow
def test_a_mistake_that_needs_no_model_is_told_before_torch_is_imported(here: Path) -> None:
    for name in ("rows.jsonl", "there.jsonl"):
        Path(name).write_text(json.dumps(ROW) + "\n")
    Path("bad.jsonl").write_text('{"id": "r", "messages": 3}\n')
    for folder in ("m", "there"):
        Path(folder).mkdir()
    Path("m/config.json").write_text("{}")
    Path("there/manifest.json").write_text("{}")
    asked = json.dumps([words.split() for words, _ in MISTAKES])
    done = subprocess.run([sys.executable, "-c", SCRIPT], input=asked, capture_output=True, text=True, check=True)
    for (words, message), (code, err, heavy) in zip(MISTAKES, json.loads(done.stdout), strict=True):
        assert (words, code, message in err, heavy) == (words, 2, True, []), err
    assert {words.split()[0] for words, _ in MISTAKES} == set(COMMANDS)
