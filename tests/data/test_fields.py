"""The names of fields: what --map may name is what the documentation describes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sft_cli.data.fields import ROW_KEYS, proposed_map, read_mapping
from sft_cli.run.errors import UserError

FILES = Path(__file__).parents[2] / "docs" / "files.md"


def test_every_key_of_a_row_is_described() -> None:
    table = FILES.read_text(encoding="utf-8").partition("| key | meaning |")[2].partition("\n\n")[0]
    described = re.findall(r"`([a-z_]+)`", " ".join(re.findall(r"^\| (`[^|]*)\|", table, re.MULTILINE)))
    assert sorted(set(described) - {"messages", "weight"}) == sorted(set(ROW_KEYS) - {"messages", "weight"})


@pytest.mark.parametrize("name", ROW_KEYS)
def test_every_key_of_a_row_can_be_mapped(name: str) -> None:
    assert read_mapping([f"{name}=x"]) == {"x": [name]}


@pytest.mark.parametrize(("name", "near"), [("answr", "answer"), ("Instruction", "instruction"), ("taks", "task")])
def test_a_field_that_no_format_has_is_refused_with_the_near_name(name: str, near: str) -> None:
    with pytest.raises(UserError, match=f"--map: {name}: no format has this field. Did you mean '{near}'"):
        read_mapping([f"{name}=x"])


@pytest.mark.parametrize(
    ("columns", "proposed"),
    [
        (["prompt", "chosen", "rejected"], "--map completion=chosen"),
        (["problem", "final_answer"], "--map solution=final_answer"),
        (["User Query", "Assistant Reply"], "--map 'question=User Query' --map 'answer=Assistant Reply'"),
        (["提问", "回复"], "--map question=提问 --map answer=回复"),
        (["sentence", "label"], "--map question=NAME --map answer=label"),
        (["a", "b"], ""),
    ],
)
def test_columns_are_proposed_by_their_names(columns: list[str], proposed: str) -> None:
    assert proposed_map(dict.fromkeys(columns, "x")) == proposed
