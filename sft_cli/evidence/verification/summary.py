"""What `sft verify` says of all rows at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sft_cli.evidence.verification.answer import MOST_AMONG_THEMSELVES
from sft_cli.run.text import counted


def count_row(totals: Counter[str], checked: dict[str, Any], changed: dict[str, Any]) -> None:
    """Add a row, as it was checked and as it is written, to the totals."""
    facts = checked["verification"]
    totals.update({name: value for name, value in facts.items() if isinstance(value, int)})
    totals.update({f"kind {name}": value for name, value in facts["kinds"].items()})
    totals["thoughts"] += "thoughts" in facts
    totals["no end"] += facts.get("thoughts") == "no end"
    totals["answers"] += 1
    totals["failed"] += checked.get("completion") is None and not checked["claims"]
    totals["without evidence"] += any(entry["check"] == "none" for entry in checked["claims"])
    totals["too long"] += sum(entry["check"] == "too long" for entry in checked["claims"])
    totals["changed"] += "original_completion" in changed and "original_completion" not in checked
    totals["many claims"] += len(checked["claims"]) > MOST_AMONG_THEMSELVES
    totals["asked again"] += "correction" in changed
    totals["by the model"] += sum(entry["check"] == "model" for entry in checked["claims"])


def summary_lines(totals: Counter[str], reasoning: str) -> Iterator[str]:
    """What the command says at its end, a line each. reasoning: the marks around thoughts."""
    shown = ", ".join(
        f"{totals[name]:,} {name.replace('_', ' ')}" for name in ("supported", "contradicted", "not_stated", "disputed")
    )
    yield f"{counted(totals['answers'], 'answer')}, {counted(totals['claims'], 'claim')}: {shown}"
    for name, text in (
        ("abstained", "without claims, because it says “I don't know”"),
        ("thoughts", f"with thoughts, which are not checked ({reasoning})"),
        ("no end", "with a thought that has no end: no claims"),
        ("failed", "without a completion: no claims"),
        ("without evidence", "with a claim for which there is no passage"),
        ("many claims", f"with more than {MOST_AMONG_THEMSELVES} claims: the rest are not compared with one another"),
        ("asked again", "written again by --policy correct"),
        ("changed", "changed; the original is in original_completion"),
    ):
        if totals[name]:
            yield f"{counted(totals[name], 'answer')} {text}"
    for name, noun, text in (
        ("states_nothing", "sentence", "not checked: a question, a greeting or “I don't know”"),
        ("kind citation", "citation", "of a passage that is not there or does not support the claim"),
        ("by the model", "claim", "whose verdict the verifier model changed"),
        ("kind samples", "claim", "contradicted by more samples of the same prompt than support it"),
        ("kind logical", "claim", "against an earlier claim of the same answer"),
        ("too long", "claim", "longer than 2,000 characters: not compared; the verdict is “not stated”"),
    ):
        if totals[name]:
            yield f"{counted(totals[name], noun)} {text}"
