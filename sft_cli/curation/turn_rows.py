"""One row for each assistant turn: --expand-turns."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from sft_cli.data.rows import Row

# These fields are about the answer to the last prompt of a row.
OF_LAST_ANSWER = (
    *("references", "choices", "answer", "answer_index", "gold", "generated", "prompt_hash", "references_hash"),
    *("ground_truth", "instruction_id_list", "kwargs"),
)


def rows_of_turns(row: Row, learns: bool) -> list[Row]:
    """A row for each answer of a conversation, with the turns before it; the same row if it has only one.

    An answer is an assistant turn after a prompt, or several of them without a turn between. A row learns only its
    last answer: earlier ones get the weight 0. Assistant turns before the first prompt are learned with the first
    answer. Answers with the weight 0 get no row. The ids get the endings `-t1`, `-t2`, …, by the place of the answer.
    With `learns` off the rows are to be answered; then a last prompt without an answer also gets a row.
    """
    messages = row.get("messages")
    if not messages:
        return [row]
    ends = _ends_of_answers(messages)
    made = []
    for number, (start, end) in enumerate(pairwise([0, *ends]), 1):
        answer = [place for place in range(start, end) if messages[place]["role"] == "assistant"]
        if learns and all(messages[place].get("weight") == 0 for place in answer):
            continue
        turns = [
            _unlearned(message) if learns and place < start else message for place, message in enumerate(messages[:end])
        ]
        rest = {name: value for name, value in row.items() if end == len(messages) or name not in OF_LAST_ANSWER}
        made.append({**rest, "id": f"{row['id']}-t{number}", "messages": turns})
    if not learns and ends and ends[-1] < len(messages):
        made.append({**row, "id": f"{row['id']}-t{len(ends) + 1}"})
    is_whole = len(made) == 1 and made[0]["messages"] == messages
    return [row] if not made or is_whole else made


def _ends_of_answers(messages: list[dict[str, Any]]) -> list[int]:
    """The place after each answer: after assistant turns that follow a prompt."""
    ends, is_asked = [], False
    for place, message in enumerate(messages):
        is_asked = is_asked or message["role"] in ("user", "tool")
        following = messages[place + 1]["role"] if place + 1 < len(messages) else ""
        if is_asked and message["role"] == "assistant" and following != "assistant":
            ends.append(place + 1)
    return ends


def _unlearned(message: dict[str, Any]) -> dict[str, Any]:
    return {**message, "weight": 0.0} if message["role"] == "assistant" else message


def first_prompt(row: Row) -> Row:
    """The turns before the first answer, and the tools: two conversations with equal rows also have these equal."""
    messages = row.get("messages")
    if not messages:
        return row
    asked = next(
        (place for place, message in enumerate(messages) if message["role"] in ("user", "tool")), len(messages)
    )
    end = next(
        (place for place in range(asked, len(messages)) if messages[place]["role"] == "assistant"), len(messages)
    )
    return {"messages": messages[:end], **({"tools": row["tools"]} if row.get("tools") else {})}
