"""The Makefile of docs/sweeps.md runs as it is printed there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from small_rows import chat

ROOT = Path(__file__).parents[2]


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["make", f"SFT={sys.executable} -m sft_cli", "RATES=1e-3 1e-2", "MODEL=model", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.slow  # nine commands, each of which imports torch
def test_the_sweep_of_the_manual_ends_in_a_table_and_runs_nothing_twice(
    tiny: Path, rows_file: Path, tmp_path: Path
) -> None:
    (makefile,) = re.findall(r"^```make\n(.*?)^```$", (ROOT / "docs/sweeps.md").read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "Makefile").write_text(makefile)
    (tmp_path / "model").symlink_to(tiny)
    for name in ("train", "held", "test"):
        (tmp_path / f"{name}.jsonl").write_bytes(rows_file.read_bytes())
    (tmp_path / "test.jsonl").write_text(json.dumps({**chat("What is the currency of Japan?", "The yen.")}) + "\n")
    quick = ("TRAIN=--batch-size 4 --dtype float32 -q", "ANSWER=--max-new-tokens 4 -q")
    make(tmp_path, *quick)
    first, second, blank, *verdict = (tmp_path / "table.txt").read_text().splitlines()
    losses = {name: float(value) for name, value in (first.split(), second.split())}
    for name, loss in losses.items():
        lines = (tmp_path / "runs" / name / "metrics.jsonl").read_text().splitlines()
        assert loss == json.loads(lines[-1])["eval_loss"]
    assert list(losses.values()) == sorted(losses.values())
    assert (set(losses), blank) == ({"lr-1e-3", "lr-1e-2"}, "")
    assert verdict[0].endswith(" against base:")
    assert sum("lr-1e-" in line for line in verdict) >= 2
    assert "sft_cli train" not in make(tmp_path, *quick, "-n").stdout
    assert make(tmp_path, *quick, "RATES=1e-2 2e-2", "-n").stdout.count("sft_cli train") == 1


@pytest.mark.slow  # two rounds of commands, each of which imports torch
def test_the_rounds_of_the_manual_close_with_a_verdict(tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    (makefile,) = re.findall(r"^```make\n(.*?)^```$", (ROOT / "docs/iterate.md").read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "Makefile").write_text(makefile)
    (tmp_path / "model").symlink_to(tiny)
    (tmp_path / "train.jsonl").write_bytes(rows_file.read_bytes())
    questions = [{**chat(f"What is {n} + 1?", f"{n + 1}"), "id": f"q{n}"} for n in range(6)]
    (tmp_path / "dev.jsonl").write_text("".join(json.dumps(row) + "\n" for row in questions))
    (tmp_path / "rounds").mkdir()
    for number, more in ((1, ""), (2, "repetition-penalty = 1.1\n")):
        train = '[train]\ndtype = "float32"\nbatch-size = 4\nquiet = true\n'
        generate = f"[generate]\nmax-new-tokens = 4\nquiet = true\n{more}"
        (tmp_path / f"rounds/{number}.toml").write_text(train + generate)
    assert "1 against 0:" in make(tmp_path, "ROUND=1").stdout
    second = make(tmp_path, "ROUND=2").stdout
    assert "2 against 1:" in second
    assert "repetition_penalty: 1.0 in 1, 1.1 in 2" in second
    assert "2 against 0:" in second
    assert "what to try, 2 against 1" in (tmp_path / "round-2.txt").read_text()
