"""The parts of a row that rules look at: what is asked, what is learned, and the number of turns."""

from __future__ import annotations

from sft_cli.data.rows import Row, turn_text


def question_of_row(row: Row) -> str:
    """All turns that are not learned, without system turns, one after another; the text of a raw row."""
    if "messages" not in row:
        return "" if "references" not in row else str(row.get("text") or "")
    asked = [turn_text(turn) for turn in row["messages"] if turn["role"] in ("user", "tool")]
    return "\n".join(asked)


def answer_of_row(row: Row) -> str:
    """The last assistant turn; else the first reference; else the text of a raw row."""
    for turn in reversed(row.get("messages") or ()):
        if turn["role"] == "assistant":
            return turn_text(turn)
    references = row.get("references")
    if references:
        return str(references[0])
    return str(row.get("text") or "")


def turns_text(row: Row) -> str:
    """All turns without system turns, and the answer if it is not a turn; the text of a raw row."""
    turns = [turn for turn in row.get("messages") or () if turn["role"] != "system"]
    if any(turn["role"] == "assistant" for turn in turns):
        return "\n".join(map(turn_text, turns))
    return f"{question_of_row(row)}\n{answer_of_row(row)}"


def turns_of(row: Row) -> int:
    """The number of turns without system turns; 1 for raw text."""
    return sum(turn["role"] != "system" for turn in row.get("messages") or ()) or int("text" in row)
