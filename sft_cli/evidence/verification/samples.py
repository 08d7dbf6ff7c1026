"""The samples of a prompt against one another: what the other samples say of each claim."""

from __future__ import annotations

from collections.abc import Sequence

from sft_cli.data.rows import Row
from sft_cli.data.verifier.stances import CONTRADICTED, SUPPORTED
from sft_cli.evidence.facts.alignment import Evidence
from sft_cli.evidence.facts.check import check_claim
from sft_cli.metrics.answers import THINK, Marks, without_thoughts


def compare_samples(rows: Sequence[Row], reasoning: Marks | None = THINK) -> list[Row]:
    """The verified rows of one prompt, each claim with `samples`: how many others support and contradict it.

    A model that makes a claim up seldom makes it up in the same way again: Manakul et al. 2023, SelfCheckGPT (arXiv
    2303.08896), here with the fact check in the place of its models. A claim that more samples contradict than support
    is counted under `samples` of the kinds of problems. reasoning: the marks around thoughts, which are not compared.
    """
    texts = [without_thoughts(row.get("completion") or "", reasoning) for row in rows]
    said = [Evidence([text]) if text else None for text in texts]
    return [_compared(row, [each for i, each in enumerate(said) if i != place]) for place, row in enumerate(rows)]


def _compared(row: Row, others: list[Evidence | None]) -> Row:
    entries, problems = [], 0
    for claim in row["claims"]:
        verdicts: list[str] = [check_claim(claim["text"], other).verdict for other in others if other is not None]
        supported, contradicted = verdicts.count(SUPPORTED), verdicts.count(CONTRADICTED)
        problems += contradicted > supported
        entries.append({**claim, "samples": {"of": len(others), "supported": supported, "contradicted": contradicted}})
    facts = row["verification"]
    return {**row, "claims": entries, "verification": {**facts, "kinds": {**facts["kinds"], "samples": problems}}}
