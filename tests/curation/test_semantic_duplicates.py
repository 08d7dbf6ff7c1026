"""--dedup semantic: a row is left out only if it is near a kept row, by the vectors of the model that is named."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import save_embedder

from sft_cli.curation import semantic_duplicates
from sft_cli.curation.semantic_duplicates import SemanticDuplicates


def row(answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": answer}]}


def angle(text: str) -> np.ndarray:
    return np.array([np.cos(int(text) / 100), np.sin(int(text) / 100)], dtype=np.float32)


def embed(texts: Sequence[str]) -> np.ndarray:
    return 3 * np.stack([angle(text) for text in texts])


def left_out(numbers: Sequence[int]) -> dict[int, Any]:
    """Angles in hundredths: two rows are near if they differ by 5 or less; several blocks of rows are compared."""
    finder = SemanticDuplicates(model="m", on="answer", least=float(np.cos(0.05)))
    finder.opens = lambda name: embed
    for number in numbers:
        finder.see(row(str(number)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(semantic_duplicates, "COMPARED_TOGETHER", 7)
        return finder.duplicates()


@settings(max_examples=40)
@given(st.lists(st.integers(0, 150), max_size=40), st.randoms(use_true_random=False))
def test_what_is_left_out_is_near_a_kept_row_and_kept_rows_are_apart(numbers: list[int], draw: random.Random) -> None:
    out = left_out(numbers)
    for number, twin in out.items():
        assert twin.kept not in out
        assert abs(numbers[number] - numbers[twin.kept]) <= 5
        assert twin.share == pytest.approx(np.cos((numbers[number] - numbers[twin.kept]) / 100), abs=1e-3)
    kept = [number for place, number in enumerate(numbers) if place not in out]
    assert all(abs(one - other) > 5 for one, other in combinations(kept, 2))
    draw.shuffle(numbers)
    again = left_out(numbers)
    assert sorted(number for place, number in enumerate(numbers) if place not in again) == sorted(kept)


def test_the_command_reads_an_embedding_checkpoint(here: Path, sft: Any) -> None:
    save_embedder(here / "model")
    answers = ["a cat sat", "a cat sat.", "The yen is the currency of Japan"]
    lines = [json.dumps({"prompt": "Q?", "completion": answer}) for answer in answers]
    (here / "raw.jsonl").write_text("\n".join(lines) + "\n")
    result = sft("prep", "raw.jsonl", "--dedup", "semantic:model=model,least=0.9999,on=answer", "-o", "rows.jsonl")
    assert result.code == 0, result.err
    manifest = json.loads((here / "rows.jsonl.meta.json").read_text())
    assert "model" in json.dumps(manifest["inputs"])
    equal = ["same", "same", "same"]
    (here / "raw.jsonl").write_text(
        "\n".join(json.dumps({"prompt": "Q?", "completion": each}) for each in equal) + "\n"
    )
    result = sft("prep", "raw.jsonl", "--dedup", "semantic:model=model", "--force", "-o", "rows.jsonl")
    assert "2  dropped: --dedup semantic:model=model: duplicate" in result.err


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            "semantic",
            "semantic: model: expected an embedding checkpoint, got nothing\nhint: --dedup semantic:model=DIR",
        ),
        ("semantic:model=m,least=2", "semantic: least: expected at most 1, got 2"),
        ("semantic:model=raw.jsonl", "--dedup semantic: raw.jsonl: expected a folder with a model, got a file"),
    ],
)
def test_a_model_that_is_none_is_refused(here: Path, sft: Any, value: str, said: str) -> None:
    (here / "raw.jsonl").write_text('{"prompt":"Q?","completion":"A"}\n')
    result = sft("prep", "raw.jsonl", "--dedup", value)
    assert result.code == 2
    assert said in result.err
