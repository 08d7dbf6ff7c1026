"""The identity of a row: an id made from its prompt, and hashes that show whether two rows ask the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sft_cli.data.ids import SeenIds
from sft_cli.data.rows import PLAIN_KEYS, Row
from sft_cli.run.seed import stable_hash


@dataclass
class Ids:
    """Adds an id to rows without one. The id depends only on the prompt, not on the place or the file of the row.

    A repeated prompt gets the endings `-2`, `-3`, …, in the order of the rows. Needs 11 to 22 bytes of memory for each
    row that it names, and about 100 for each prompt that is repeated.
    """

    seen: SeenIds = field(default_factory=SeenIds)
    repeats: Counter[int] = field(default_factory=Counter)

    def of(self, row: Row) -> str:
        """The id of a row: 16 hexadecimal digits of a hash of its task, its turns, its tools and its choices."""
        key = id_key(row)
        return f"{key:016x}{'' if self.seen.add_key(key) else self.ending(key)}"

    def ending(self, key: int) -> str:
        """What a prompt that was seen before adds to its id."""
        self.repeats[key] += 1
        return f"-{self.repeats[key] + 1}"


def id_key(row: Row) -> int:
    """The 64-bit hash that names a row without an id."""
    turns = _turn_parts(row, with_system=True)
    return stable_hash("id", row.get("task") or "", turns, row.get("tools") or [], row.get("choices") or [])


def prompt_hash(row: Row) -> str | None:
    """A hash of the question; None if the row has neither messages nor text.

    System turns are not included, so that answers with different system turns can be compared. Text, and a chat of one
    user turn with the same words, are equal. A row that has a `prompt_hash` keeps it: it was computed before a
    template, examples or a judge's prompt were added around the question.
    """
    if row.get("prompt_hash") is not None:
        return str(row["prompt_hash"])
    if "judge" in row or not ("messages" in row or "text" in row):
        return None
    return f"{stable_hash('prompt', _turn_parts(row, with_system=False), row.get('tools') or []):016x}"


def references_hash(row: Row) -> str:
    """A hash of the references, answer, choices and gold passages of a row. A row may have it, as above.

    A `gold` that is neither a list nor an object is not gold passages, and is not included.
    """
    if row.get("references_hash") is not None:
        return str(row["references_hash"])
    answer = row.get("answer")
    right = [row.get("references") or [], None if answer is None else str(answer), row.get("answer_index")]
    gold = [row["gold"]] if isinstance(row.get("gold"), (list, dict)) else []
    return f"{stable_hash('references', right, row.get('choices') or [], *gold):016x}"


def _turn_parts(row: Row, with_system: bool) -> Any:
    """The input of a model from a row: [role, content, tool calls and so on] of each turn, without the last answer.

    A value that is not a list of turns is used as it is: `sft score` reads rows of any kind.
    """
    messages = row.get("messages")
    if messages is None:
        return [["user", row.get("text"), {}]]
    if not isinstance(messages, list) or not all(isinstance(turn, dict) for turn in messages):
        return messages
    if messages and messages[-1].get("role") == "assistant":
        messages = messages[:-1] or messages
    return [
        [turn.get("role"), turn.get("content") or "", {} if turn.keys() == PLAIN_KEYS else _rest_of(turn)]
        for turn in messages
        if with_system or turn.get("role") != "system"
    ]


def _rest_of(turn: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in turn.items() if key not in ("role", "content", "weight") and value}
