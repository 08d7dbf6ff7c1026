"""`sft generate --choices` beside lm-evaluation-harness on the same prompts: log-likelihoods and accuracies.

    sft prep --benchmark piqa FOLDER -o piqa.jsonl
    SFT_BENCH_HARNESS=/venv/with/lm-eval python bench/choices.py piqa.jsonl

Rows are those of `sft prep --benchmark`, of raw text and one delimiter. Both sides in float32, one after the other.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from encode import HERE, run, write_rows
from generate_side import read_prompts
from peers import model_folder
from sft_runs import sft


def ours(model: str, path: Path) -> tuple[list[list[float]], dict[str, Any]]:
    """Our log-likelihoods of each row's choices, and the accuracies that `sft score` makes of them."""
    out, scores = path.with_suffix(".gen.jsonl"), path.with_suffix(".scores.jsonl")
    sft("generate", model, path, "--choices", "--max-new-tokens", 0, "--dtype", "float32", "-o", out)
    sft("score", out, "--metric", "choice-accuracy", "-o", scores)
    summary = json.loads(Path(f"{scores}.summary.json").read_text(encoding="utf-8"))
    found = [[entry["sum"] for entry in row["choice_logprobs"]] for row in read_prompts(str(out))]
    return found, summary["metrics"]["choice-accuracy"]["values"]


def theirs(model: str, path: Path) -> dict[str, Any]:
    """What lm-evaluation-harness makes of the same rows: `sums`, `acc`, `acc_norm`."""
    folder = os.environ.get("SFT_BENCH_HARNESS")
    python = Path(folder) / "bin" / "python" if folder else Path(sys.executable)
    return run([python, HERE / "choices_harness.py", model, path], PYTHONPATH="")


def main() -> None:
    """Compare one file after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path, nargs="+")
    parser.add_argument("-n", type=int, help="rows of each file; all if not given")
    given = parser.parse_args()
    model = model_folder()
    with tempfile.TemporaryDirectory() as name:
        for source in given.rows:
            path = write_rows(Path(name) / source.name, read_prompts(str(source))[: given.n])
            (mine, accuracy), other = ours(model, path), theirs(model, path)
            pairs = [(a, b) for row, row_of_other in zip(mine, other["sums"], strict=True)
                     for a, b in zip(row, row_of_other, strict=True)]  # fmt: skip
            print(
                f"{source.name}: {len(mine)} rows, {len(pairs)} log-likelihoods, largest difference "
                f"{max(abs(a - b) for a, b in pairs):.1e}; accuracy {accuracy['choice_accuracy']:.3f} and "
                f"{other['acc']:.3f}, per character {accuracy['choice_accuracy.per_character']:.3f} and "
                f"{other['acc_norm']:.3f}"
            )


if __name__ == "__main__":
    main()
