"""What ROUGE and token F1 share: precision, recall and F against the best of several references."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sft_cli.metrics.arithmetic import ratio
from sft_cli.metrics.protocol import Sums
from sft_cli.metrics.tokenizers import load_tokenizer, loses_text

Scores = tuple[float, float, float]  # precision, recall, F


def references_of(row: Mapping[str, Any]) -> list[str]:
    """The texts that count as right: `references`, or else the one `answer`."""
    references: list[str] = row.get("references") or []
    answer = row.get("answer")
    return references or ([answer] if answer is not None else [])


def overlap_sums(
    row: Mapping[str, Any], tokenizer: str, multi_reference: str, score: Callable[[list[str], list[str]], Scores]
) -> Sums | None:
    """Sums of precision, recall and F of one row; `score` takes the tokens of completion and reference.

    With several references, `max` keeps the three numbers of the reference with the highest F (as rouge-score's
    `score_multi`), `mean` averages each number over the references. A failed row has zeros.
    """
    references = references_of(row)
    if not references:
        return None
    best: Scores = (0.0, 0.0, 0.0)
    if row["completion"] is not None:
        tokenize = load_tokenizer(tokenizer)
        predicted = tokenize(row["completion"])
        scores = [score(predicted, tokenize(reference)) for reference in references]
        best = max(scores, key=lambda three: three[2])
        if multi_reference == "mean":
            precision, recall, f = (sum(column) / len(scores) for column in zip(*scores, strict=True))
            best = (precision, recall, f)
    sums: Sums = {"precision": best[0], "recall": best[1], "f": best[2], "count": 1}
    if any(loses_text(tokenizer, reference) for reference in references):
        sums["text_lost"] = 1
    return sums


def overlap_values(name: str, sums: Mapping[str, Any]) -> dict[str, Any]:
    """Means over rows: `name.p`, `name.r`, `name.f`; those whose sum is given."""
    parts = {"p": "precision", "r": "recall", "f": "f"}
    return {f"{name}.{short}": ratio(sums[part], sums["count"]) for short, part in parts.items() if part in sums}
