"""The choice of rows: how many of each source, and the same rows whatever their order is."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.curation.choice import RowChoice
from sft_cli.curation.choice_settings import ChoiceSettings
from sft_cli.curation.shares import filled, largest_amount, tempered, whole

SIZES = st.lists(st.integers(0, 50), min_size=1, max_size=6)


def row(task: str, number: int) -> dict[str, Any]:
    said = [{"role": "user", "content": f"{task} {number}"}, {"role": "assistant", "content": "x " * (number % 7)}]
    return {"task": task, "messages": said}


def chosen(settings: ChoiceSettings, rows: list[dict[str, Any]], seed: int = 0) -> list[dict[str, Any]]:
    choice = RowChoice(settings, seed)
    for each in rows:
        choice.see("a.jsonl:1", each)
    choice.end_survey()
    return [each for each in rows if choice.keeps()]


def rows_of(sizes: list[int]) -> list[dict[str, Any]]:
    return [row(f"t{place}", number) for place, size in enumerate(sizes) for number in range(size)]


@given(SIZES, st.integers(1, 300), st.floats(0.2, 20), st.data())
def test_what_sources_give_is_a_share_or_all_that_they_have(
    sizes: list[int], amount: int, temperature: float, data: st.DataObject
) -> None:
    if not sum(sizes):
        return
    wanted = min(amount, sum(sizes))
    shares = tempered(sizes, temperature)
    given_ = filled(shares, sizes, wanted)
    assert given_.sum() == pytest.approx(wanted)
    assert all(own <= size + 1e-9 for own, size in zip(given_, sizes, strict=True))
    ratios = [own / share for own, share, size in zip(given_, shares, sizes, strict=True) if own < size - 1e-6]
    assert ratios == pytest.approx([ratios[0]] * len(ratios), rel=1e-6) if ratios else True
    counts = whole(given_, sizes)
    assert counts.sum() == wanted
    assert all(0 <= own <= size for own, size in zip(counts.tolist(), sizes, strict=True))
    if wanted >= sum(size > 0 for size in sizes):
        assert all(own > 0 for own, size in zip(counts.tolist(), sizes, strict=True) if size)


@given(SIZES, st.integers(1, 100), st.integers(0, 3), st.randoms(use_true_random=False))
def test_the_same_rows_are_kept_in_any_order(sizes: list[int], rows: int, seed: int, draw: random.Random) -> None:
    made = rows_of(sizes)
    once = chosen(ChoiceSettings(rows=rows), made, seed)
    assert len(once) == min(rows, len(made))
    draw.shuffle(made)
    assert sorted(map(str, chosen(ChoiceSettings(rows=rows), made, seed))) == sorted(map(str, once))


@given(SIZES, st.integers(1, 200), st.integers(1, 30))
def test_a_budget_of_words_and_a_cap_are_kept(sizes: list[int], words: int, most: int) -> None:
    kept = chosen(ChoiceSettings(words=words, most_per_task=most), rows_of(sizes))
    assert sum(len(" ".join(turn["content"] for turn in each["messages"]).split()) for each in kept) <= words
    assert max(Counter(each["task"] for each in kept).values(), default=0) <= most


def test_a_smaller_choice_is_part_of_a_larger_one_and_the_seed_changes_it() -> None:
    made = rows_of([200])
    small, large = chosen(ChoiceSettings(rows=20), made), chosen(ChoiceSettings(rows=100), made)
    assert all(each in large for each in small)
    assert chosen(ChoiceSettings(rows=20), made, seed=1) != small


def test_shares_without_a_size_are_as_large_as_the_sources_allow() -> None:
    kept = chosen(ChoiceSettings(mix=["t0=3", "t1=1"]), rows_of([30, 30]))
    assert Counter(each["task"] for each in kept) == {"t0": 30, "t1": 10}
    assert largest_amount([3, 1], [30, 30]) == pytest.approx(40)


def test_a_temperature_makes_sources_more_equal() -> None:
    kept = chosen(ChoiceSettings(rows=100, mix_temperature=2), rows_of([900, 100]))
    assert Counter(each["task"] for each in kept) == {"t0": 75, "t1": 25}


def test_a_small_source_gives_all_that_it_has() -> None:
    kept = chosen(ChoiceSettings(rows=100, mix_temperature=1000), rows_of([900, 10]))
    assert Counter(each["task"] for each in kept) == {"t0": 90, "t1": 10}


def written(here: Path, **sizes: int) -> list[str]:
    for name, size in sizes.items():
        lines = (json.dumps({"prompt": f"{name} {number}", "completion": "yes"}) for number in range(size))
        (here / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return [f"{name}.jsonl" for name in sizes]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--rows", "1", "--words", "1"], "--words: expected only one of --rows and --words"),
        (["--mix", "a=1", "--mix-temperature", "2", "--rows", "1"], "expected only one of --mix and --mix-temperature"),
        (["--mix-temperature", "2"], "--mix-temperature: expected also the size of the output\nhint: --rows N"),
        (["--mix", "a=0", "--mix", "b=0"], "--mix: expected a share above 0, got only zeros"),
        (["--mix", "a=1"], "--mix: b (4 rows) has no share; expected one for each of a, b\nhint: --mix b=0"),
        (["--mix", "a=1", "--mix", "c=1"], "--mix: no row has the name 'c'"),
        (
            ["--mix", "a=1", "--mix", "b=1", "--rows", "10"],
            "--rows 10: b has 4 rows, its share is 5\nhint: --rows 8 is the largest size with these shares",
        ),
        (["--judge", "pairwise", "--rows", "1"], "--rows: has no effect with --judge"),
    ],
)
def test_what_cannot_be_chosen_is_an_error_with_a_cure(here: Path, sft: Any, flags: list[str], said: str) -> None:
    result = sft("prep", *written(here, a=20, b=4), *flags, "-o", "rows.jsonl")
    assert result.code == 2
    assert said in result.err
    assert not (here / "rows.jsonl").exists()


def test_too_few_rows_and_many_sources_are_reported(here: Path, sft: Any) -> None:
    files = written(here, **{f"s{number}": 1 for number in range(22)})
    result = sft("prep", *files, "--rows", "30", "-o", "rows.jsonl")
    assert "--rows 30: only 22 rows, no row is repeated" in result.err
    assert "  … 2 more: 2 of 2 kept, 0 left out" in result.err


def test_rows_are_chosen_after_duplicates_are_dropped(here: Path, sft: Any) -> None:
    lines = [json.dumps({"prompt": f"q{number % 5}", "completion": "yes"}) for number in range(50)]
    (here / "raw.jsonl").write_text("\n".join(lines) + "\n")
    for way in ("exact", "normalised"):
        flags = ["--dedup", way, "--rows", "4", "--force", "--max-drop", "0.9"]
        result = sft("prep", "raw.jsonl", *flags, "-o", "rows.jsonl")
        assert result.code == 0, result.err
        rows = [json.loads(line) for line in (here / "rows.jsonl").read_text().splitlines()]
        assert len({each["messages"][0]["content"] for each in rows}) == 4
