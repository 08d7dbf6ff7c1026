"""`sft prep` on several processes writes what it writes in one, whatever the rows are and where the blocks end."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.data.key_set import KeySet
from sft_cli.data.line_blocks import line_blocks
from sft_cli.run.jsonl import TooLong

FLAGS = {
    "split": ["--split", "train=0.5,test=0.5"],
    "dedup": ["--dedup", "exact", "--ledger", "ledger.jsonl"],
    "rules": ["--where", "task != 'b'", "--filter", "length:min=2", "--filter", "pii", "--ledger", "ledger.jsonl"],
    "skip": ["--on-error", "skip", "--rejects", "bad.jsonl", "--ledger", "ledger.jsonl", "--dedup", "exact"],
    "eval": ["--eval", "--drop-field", "extra", "--task", "t", "--system", "Be brief."],
}


def made_lines(seed: int, with_bad: bool) -> list[str]:
    """Rows of several formats, with and without ids, repeated, and some of them bad."""
    draw = random.Random(seed)
    lines = []
    for number in range(120):
        question, answer = f"What is {draw.randrange(30)}?", f"It is {draw.randrange(4)} of joe{number % 3}@firm.com"
        kind = draw.randrange(8 if with_bad else 6)
        record: dict[str, Any] = {"question": question, "answer": answer}
        if kind == 1:
            record = {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}
        elif kind == 2:
            record = {"id": f"own{draw.randrange(40)}", "instruction": question, "output": answer}
        elif kind == 3:
            record["answer"] = "one"
        elif kind == 6:
            record["answer"] = ""
        record["task"] = draw.choice("ab")
        record["extra"] = number
        lines.append("not json" if kind == 7 else json.dumps(record))
        lines += [""] * draw.randrange(2)
    return lines


def prepared(sft: Any, folder: Path, flags: list[str]) -> dict[str, Any]:
    folder.mkdir()
    out = folder / "out" if "--split" in flags else folder / "rows.jsonl"
    words = [str(folder / word) if word.endswith(".jsonl") else word for word in flags]
    result = sft("prep", "raw.jsonl", *words, "-o", out)
    written = {path.name: path.read_text() for path in folder.rglob("*.jsonl")}
    if "ledger.jsonl" in written:  # duplicates come after the other rows of a block
        written["ledger.jsonl"] = "\n".join(sorted(written["ledger.jsonl"].splitlines()))
    counts = sorted(line.replace(str(folder), "") for line in result.err.splitlines())
    return {"code": result.code, "said": counts, "files": written}


@pytest.mark.parametrize("with_bad", [False, True], ids=["good", "bad"])
@pytest.mark.parametrize("kind", FLAGS)
def test_several_processes_write_what_one_writes(
    here: Path, sft: Any, monkeypatch: pytest.MonkeyPatch, kind: str, with_bad: bool
) -> None:
    Path("raw.jsonl").write_text("\n".join(made_lines(1, with_bad)) + "\n")
    alone = prepared(sft, here / "alone", FLAGS[kind])
    assert alone["files"] or with_bad
    monkeypatch.setattr("sft_cli.data.inputs.LEAST_PARALLEL", 0)
    for size in (1, 500, 4000):
        monkeypatch.setattr("sft_cli.data.line_blocks.BLOCK_BYTES", size)
        assert prepared(sft, here / f"together{size}", FLAGS[kind]) == alone


def test_a_field_to_drop_that_no_row_has_is_an_error_here_too(
    here: Path, sft: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sft_cli.data.inputs.LEAST_PARALLEL", 0)
    Path("raw.jsonl").write_text("\n".join(made_lines(2, with_bad=False)))
    result = sft("prep", "raw.jsonl", "--drop-field", "none", "-o", "rows.jsonl")
    assert (result.code, Path("rows.jsonl").exists()) == (2, False)
    assert "--drop-field: none: expected a field of the input, got an unknown name" in result.err


@given(st.lists(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 50), max_size=60), max_size=8))
def test_a_set_of_keys_knows_what_was_added(groups: list[list[int]]) -> None:
    keys, seen = KeySet(), set()
    for group in groups:
        repeats = keys.add(np.array(group, dtype=np.uint64)).tolist()
        for key, is_repeat in zip(group, repeats, strict=True):
            assert is_repeat == ((key or 1) in seen)  # 0 is an empty slot, and counts as 1
            seen.add(key or 1)
    assert keys.count == len(seen)


def test_a_set_of_many_keys_grows() -> None:
    draw = np.random.default_rng(0)
    keys, numbers = KeySet(), draw.integers(1, 2**63, size=200_000).astype(np.uint64)
    assert not keys.add(numbers).any()
    assert keys.add(numbers[::7]).all()
    assert len(keys.slots) >= 2 * len(numbers)


@given(st.lists(st.binary(max_size=30).map(lambda text: text.replace(b"\n", b"")), max_size=20), st.booleans())
def test_blocks_have_each_line_once_with_its_number(lines: list[bytes], ends: bool) -> None:
    import io

    text = b"\n".join(lines) + (b"\n" if ends and lines else b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sft_cli.data.line_blocks.BLOCK_BYTES", 40)
        patch.setattr("sft_cli.run.jsonl.most_line_bytes", 20)
        blocks = list(line_blocks(io.BytesIO(text), "x"))
    got = [(block.first + place, line) for block in blocks for place, line in enumerate(block.lines())]
    want = text.split(b"\n")
    want = want[:-1] if not want[-1] else want
    assert [number for number, _ in got] == list(range(1, len(want) + 1))
    for (_, line), wanted in zip(got, want, strict=True):
        is_long = len(wanted) > 20
        assert isinstance(line, TooLong) == is_long or len(wanted) == 20
        assert is_long or line.rstrip(b"\n") == wanted
