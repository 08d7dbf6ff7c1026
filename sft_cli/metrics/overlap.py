"""The parts that ROUGE and token F1 share: precision, recall and F against one or several references."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sft_cli.metrics.answers import answer_of, unread
from sft_cli.metrics.arithmetic import ratio
from sft_cli.metrics.extract import reference_answer
from sft_cli.metrics.protocol import Sums
from sft_cli.metrics.tokenizers import loses_text

Scores = tuple[float, float, float]  # precision, recall, F


def references_of(row: Mapping[str, Any]) -> list[str]:
    """The texts that count as right: `references`, or otherwise the `answer`."""
    references: list[str] = row.get("references") or []
    answer = row.get("answer")
    return references or ([answer] if answer is not None else [])


def extract_part(rule: str) -> dict[str, str]:
    """The part of a signature that names the rule for finding answers in completions, if there is one."""
    return {} if rule in ("auto", "none") else {"extract": rule}


def overlap_sums(
    row: Mapping[str, Any], tokenizer: str, score: Callable[[str, list[str]], Scores], extract: str = "auto"
) -> Sums | None:
    """Sums of precision, recall and F of one row; `score` takes the answer and all references.

    A row without an answer has zeros. References of which the tokenizer drops letters are counted as `text_lost`.
    """
    references = [reference_answer(extract, reference) for reference in references_of(row)]
    if not references:
        return None
    answer = answer_of(row, extract)
    precision, recall, f = (0.0, 0.0, 0.0) if answer is None else score(answer, references)
    sums: Sums = {"precision": precision, "recall": recall, "f": f, "count": 1, **unread(row, answer)}
    if any(loses_text(tokenizer, reference) for reference in references):
        sums["text_lost"] = 1
    return sums


def overlap_values(name: str, sums: Mapping[str, Any]) -> dict[str, Any]:
    """Means over rows: `name.p`, `name.r`, `name.f`, if their sums exist."""
    parts = {"p": "precision", "r": "recall", "f": "f"}
    return {f"{name}.{short}": ratio(sums[part], sums["count"]) for short, part in parts.items() if part in sums}
