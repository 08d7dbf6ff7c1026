"""What happens to an answer whose claims are not supported."""

from __future__ import annotations

from sft_cli.data.language import is_chinese
from sft_cli.data.rows import Row
from sft_cli.run.registry import Table

POLICIES = Table(
    "policy",
    {
        "flag": "sft_cli.evidence.verification.policy:flag",
        "abstain": "sft_cli.evidence.verification.policy:abstain",
        "drop": "sft_cli.evidence.verification.policy:drop",
    },
)
SUPPORTED_VERDICT = "supported"
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
    return _with_answer(row, "我不知道" if is_chinese(row["completion"]) else "I don't know", abstained=True)


def drop(row: Row, least: float) -> Row:
    """The row without the claims that are not supported, if less than the share `least` is; the rest is not changed.

    If no claim is left, the answer is “I don't know”.
    """
    share = row["verification"]["supported_share"]
    if share is None or share >= least:
        return row
    completion, kept, end = row["completion"], [], 0
    for claim in row["claims"]:
        kept.append(completion[end : claim["start"]])
        if claim["verdict"] == SUPPORTED_VERDICT:
            kept.append(completion[claim["start"] : claim["end"]])
        end = claim["end"]
    text = "".join([*kept, completion[end:]])
    return _with_answer(row, " ".join(text.split(" ")).strip()) if share else abstain(row, least)


def _with_answer(row: Row, answer: str, abstained: bool = False) -> Row:
    others = {name: value for name, value in row.items() if name not in OF_COMPLETION}
    facts = {**row["verification"], "abstained": abstained or row["verification"]["abstained"]}
    return {**others, "completion": answer, "original_completion": row["completion"], "verification": facts}
