"""What happens to an answer whose claims are not supported."""

from __future__ import annotations

import math
import re

from sft_cli.data.language import is_chinese
from sft_cli.data.rows import Row
from sft_cli.data.verifier.stances import SUPPORTED
from sft_cli.evidence.verification.answer import counts_of
from sft_cli.run.errors import FieldError, shown

# What joins a claim that is removed to the one before it or after it: `, and`, `;`, `，`.
JOIN = (
    r"[,;，；、][ \t]*"
    r"(?:(?:and|but|or|so|yet|while|whereas|although|though|because|which|who)\b|而且?|但是?|并且?)?[ \t]*"
)
LEFT_JOIN, RIGHT_JOIN = re.compile(JOIN + r"\Z", re.IGNORECASE), re.compile(JOIN, re.IGNORECASE)
STOP = re.compile(r"[.。!！]?\Z")
EMPTY_ITEM = re.compile(r"^[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]*(?:\n|\Z)", re.MULTILINE)
# What generate read out of the completion; it does not belong to another text.
OF_COMPLETION = ("prediction", "predictions", "completion_logprob")


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
    return _with_answer(row, _do_not_know(row["completion"]), [])


def drop(row: Row, least: float) -> Row:
    """The row without the claims that are not supported, if less than the share `least` is; the rest is not changed.

    If no claim is left, the answer is “I don't know”.
    """
    share = row["verification"]["supported_share"]
    if share is None or share >= least:
        return row
    if share == 0:
        return abstain(row, least)
    completion, text, end = row["completion"], "", 0
    for claim in row["claims"]:
        start = max(end, claim["start"])  # the end of `, and` is in the claim after it
        text += completion[end:start]
        end = claim["end"]
        if claim["verdict"] == SUPPORTED:
            text += completion[start:end]
        elif LEFT_JOIN.search(text):  # Milk costs 2 euros; tea is red. → Milk costs 2 euros.
            text = LEFT_JOIN.sub("", text) + STOP.search(claim["text"])[0]  # type: ignore[index]  # it can be empty
        elif join := RIGHT_JOIN.match(completion, end):
            end = join.end()
    text = EMPTY_ITEM.sub("", text + completion[end:])
    return _with_answer(row, text.strip(), [claim for claim in row["claims"] if claim["verdict"] == SUPPORTED])


def _with_answer(row: Row, answer: str, kept: list[Row]) -> Row:
    """The row with another answer: `verification` counts the claims that are left, `claims` has the original ones."""
    others = {name: value for name, value in row.items() if name not in OF_COMPLETION}
    facts = counts_of(kept, abstained=not kept)
    original = {"original_completion": row["completion"], "original_verification": row["verification"]}
    return {**others, "completion": answer, **original, "verification": facts}


def check_certainty(row: Row) -> None:
    """Raise FieldError for an answer without the log-probability of its completion."""
    facts = row.get("completion_logprob")
    if row.get("completion") is not None and not (
        isinstance(facts, dict) and isinstance(facts.get("sum"), (int, float)) and facts.get("tokens")
    ):
        problem = f"expected sum and tokens, got {shown(facts) if facts is not None else 'nothing'}"
        raise FieldError("completion_logprob", problem, "sft generate --completion-logprobs writes it")


def abstain_if_unsure(row: Row, below: float) -> Row:
    """The row with “I don't know” if the geometric mean of the probabilities of its tokens is less than `below`."""
    if row.get("completion") is None or "original_completion" in row or row["verification"]["abstained"]:
        return row
    facts = row["completion_logprob"]
    if math.exp(facts["sum"] / facts["tokens"]) >= below:
        return row
    return _with_answer(row, _do_not_know(row["completion"]), [])


def _do_not_know(answer: str) -> str:
    return "我不知道" if is_chinese(answer) else "I don't know"
