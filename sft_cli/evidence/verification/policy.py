"""What happens to an answer whose claims are not supported."""

from __future__ import annotations

from sft_cli.data.language import is_chinese
from sft_cli.data.rows import Row
from sft_cli.evidence.verification.answer import counts_of
from sft_cli.evidence.verification.claim_verdict import SUPPORTED

# What generate read out of the completion; it does not belong to another text.
OF_COMPLETION = ("prediction", "predictions")


def flag(row: Row, least: float) -> Row:
    """The row as it is, with the verdicts."""
    return row


def abstain(row: Row, least: float) -> Row:
    """The row with “I don't know” as its answer if less than the share `least` of its claims is supported.

    The answer of the model stays in `original_completion`.
    """
    share = row["verification"]["supported_share"]
    if share is None or share >= least:
        return row
    return _with_answer(row, "我不知道" if is_chinese(row["completion"]) else "I don't know", [])


def drop(row: Row, least: float) -> Row:
    """The row without the claims that are not supported, if less than the share `least` is; the rest is not changed.

    If no claim is left, the answer is “I don't know”.
    """
    share = row["verification"]["supported_share"]
    if share is None or share >= least:
        return row
    if share == 0:
        return abstain(row, least)
    completion, parts, end = row["completion"], [], 0
    for claim in row["claims"]:
        parts.append(completion[end : claim["start"]])
        if claim["verdict"] == SUPPORTED:
            parts.append(completion[claim["start"] : claim["end"]])
        end = claim["end"]
    text = "".join([*parts, completion[end:]])
    return _with_answer(row, text.strip(), [claim for claim in row["claims"] if claim["verdict"] == SUPPORTED])


def _with_answer(row: Row, answer: str, kept: list[Row]) -> Row:
    """The row with another answer: `verification` counts the claims that are left, `claims` has the original ones."""
    others = {name: value for name, value in row.items() if name not in OF_COMPLETION}
    facts = counts_of(kept, abstained=not kept)
    original = {"original_completion": row["completion"], "original_verification": row["verification"]}
    return {**others, "completion": answer, **original, "verification": facts}
