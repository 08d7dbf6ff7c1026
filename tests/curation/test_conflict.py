"""The filter `conflict`: rows with the same question and another answer."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.curation.filters.conflict import ConflictFilter
from sft_cli.metrics.tokenizers import mixed

PAIRS = st.lists(
    st.tuples(st.sampled_from(["What?", "what", "Who?", "谁?", ""]), st.sampled_from(["A", "a.", "B", "C", "…"])),
    max_size=14,
)


def row(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def kept(each: ConflictFilter, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    for pair in pairs:
        each.see(row(*pair))
    each.end_survey()
    return [pair for pair in pairs if not each.problem(row(*pair))]


def expected(pairs: list[tuple[str, str]], keeps_most: bool) -> list[tuple[str, str]]:
    answers: dict[tuple[str, ...], Counter[tuple[str, ...]]] = defaultdict(Counter)
    for question, answer in pairs:
        answers[tuple(mixed(question))][tuple(mixed(answer))] += 1
    left = []
    for question, answer in pairs:
        counts = answers[tuple(mixed(question))]
        most = [said for said, number in counts.items() if number == max(counts.values())]
        is_most = keeps_most and most == [tuple(mixed(answer))]
        if not mixed(question) or len(counts) == 1 or is_most:
            left.append((question, answer))
    return left


@given(PAIRS, st.booleans(), st.randoms(use_true_random=False))
def test_what_is_kept_is_what_a_hand_count_keeps_in_any_order(
    pairs: list[tuple[str, str]], keeps_most: bool, draw: random.Random
) -> None:
    keep: Any = "most" if keeps_most else "none"
    once = kept(ConflictFilter(keep=keep), pairs)
    assert once == expected(pairs, keeps_most)
    draw.shuffle(pairs)
    assert sorted(kept(ConflictFilter(keep=keep), pairs)) == sorted(once)


def test_other_system_turns_earlier_turns_and_tools_are_other_questions() -> None:
    first, second = row("Which?", "A"), row("Which?", "B")
    told = [{"role": "system", "content": "Say B."}]
    before = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    others = [
        {**second, "messages": [*told, *second["messages"]]},
        {**second, "messages": [*before, *second["messages"]]},
        {**second, "tools": [{"type": "function", "function": {"name": "f"}}]},
    ]
    for other, conflicts in [*((other, False) for other in others), (second, True)]:
        each = ConflictFilter()
        each.see(first)
        each.see(other)
        each.end_survey()
        assert bool(each.problem(first)) == conflicts


def test_the_ledger_names_a_row_with_the_other_answer(here: Any, sft: Any) -> None:
    lines = ['{"prompt":"Why?","completion":"Yes"}', '{"prompt":"why","completion":"no"}']
    (here / "raw.jsonl").write_text("\n".join([*lines, '{"prompt":"WHY?","completion":"No."}']) + "\n")
    result = sft("prep", "raw.jsonl", "--filter", "conflict:keep=most", "--ledger", "ledger.jsonl", "-o", "rows.jsonl")
    assert result.code == 0
    assert '"other_row":"raw.jsonl:2"' in (here / "ledger.jsonl").read_text()
    assert (here / "rows.jsonl").read_text().count("\n") == 2


@pytest.mark.parametrize("flags", [["--filter", "conflict"], ["--rows", "2"]])
def test_what_compares_rows_needs_files(sft: Any, flags: list[str]) -> None:
    result = sft("prep", *flags, stdin=b'{"prompt":"a","completion":"b"}\n')
    assert result.code == 2
    assert f"{' '.join(flags) if 'conflict' in flags else flags[0]}: reads the inputs twice" in result.err
