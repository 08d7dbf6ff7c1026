"""Check of the rows that `sft generate` writes, as far as scoring needs them."""

from __future__ import annotations

import json
import math
from typing import Any

from sft_cli.metrics.answers import THINK, CheckedGeneration, Marks, without_thoughts
from sft_cli.run.errors import FieldError, shown

# Fields of log-probabilities, and the sizes that an entry must have.
LOGPROBS = {"reference_logprobs": ("tokens",), "choice_logprobs": ("tokens", "characters", "bytes")}


def check_generation(row: dict[str, Any], reasoning: Marks | None = THINK) -> CheckedGeneration:
    """The row as metrics read it; raises FieldError for a bad field.

    `sample` is set, `answer` is text or None, `completion` is None if generation failed. Text between the marks of
    `reasoning` is thought, and not part of the answer.
    """
    if not isinstance(row.get("id"), (str, int)) or isinstance(row["id"], bool):
        raise FieldError("id", f"expected text, got {shown(row.get('id'))}")
    sample = row.get("sample", 0)
    if not isinstance(sample, int) or isinstance(sample, bool) or sample < 0:
        raise FieldError("sample", f"expected a number of at least 0, got {shown(sample)}")
    answers: dict[str, Any] = {
        name: _text_or_number(name, row[name]) for name in ("answer", "prediction") if name in row
    }
    for field in ("completion", "finish_reason"):
        value = row.get(field)
        if value is not None and not isinstance(value, str):
            raise FieldError(field, f"expected text, got {shown(value)}")
    for field in ("references", "choices"):
        _check_texts(field, row.get(field))
    for field, sizes in LOGPROBS.items():
        for place, entry in enumerate(_list_of(field, row.get(field))):
            if entry is not None:  # generate writes null for a text that is too long for the model
                _check_logprobs(f"{field}[{place}]", entry, sizes)
    if row.get("completion_logprob") is not None:
        _check_logprobs("completion_logprob", row["completion_logprob"], ("tokens",))
    if row.get("judge") is not None:
        _check_judge(row["judge"])
    failed = row.get("finish_reason") == "error"
    completion = None if failed else row.get("completion")
    said = None if completion is None else without_thoughts(completion, reasoning)
    checked: dict[str, Any] = {"answer": None, **row, "sample": sample, "completion": completion, **answers}
    return CheckedGeneration(checked, said, had_thoughts=said != completion)


def prompt_of(row: dict[str, Any]) -> Any:
    """The name that all samples of a prompt share: the id of the row, or the pair that a judge saw in two orders."""
    judge = row.get("judge")
    return judge.get("pair") if isinstance(judge, dict) and judge.get("kind") == "pairwise" else row.get("id")


def _check_judge(judge: Any) -> None:
    """The field `judge` that `sft prep --judge` wrote; None for a field of this name with another content."""
    kind = judge.get("kind") if isinstance(judge, dict) else None
    if kind == "pairwise":
        if not isinstance(judge.get("pair"), str):
            raise FieldError("judge.pair", f"expected text, got {shown(judge.get('pair'))}")
        if judge.get("first") not in ("base", "other"):
            raise FieldError("judge.first", f"expected base or other, got {shown(judge.get('first'))}")
    if kind == "rating":
        for name in ("lowest", "highest"):
            bound = judge.get(name, 1)
            if not isinstance(bound, (int, float)) or isinstance(bound, bool):
                raise FieldError(f"judge.{name}", f"expected a number, got {shown(bound)}")


def _text_or_number(field: str, value: Any) -> str | None:
    text = json.dumps(value) if isinstance(value, (int, float)) else value
    if text is not None and not isinstance(text, str):
        raise FieldError(field, f"expected text or a number, got {shown(value)}")
    return text


def _list_of(field: str, value: Any) -> list[Any]:
    if value is not None and not isinstance(value, list):
        raise FieldError(field, f"expected a list, got {shown(value)}")
    return value or []


def _check_texts(field: str, value: Any) -> None:
    for place, text in enumerate(_list_of(field, value)):
        if not isinstance(text, str):
            raise FieldError(f"{field}[{place}]", f"expected text, got {shown(text)}")


def _check_logprobs(field: str, entry: Any, sizes: tuple[str, ...]) -> None:
    if not isinstance(entry, dict):
        raise FieldError(field, f"expected an object, got {shown(entry)}")
    total = entry.get("sum")
    if not isinstance(total, (int, float)) or isinstance(total, bool) or not (math.isfinite(total) and total <= 0):
        raise FieldError(f"{field}.sum", f"expected a log-probability of at most 0, got {shown(total)}")
    for name in ("tokens", "characters", "bytes"):
        count = entry.get(name, None if name in sizes else 0)
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise FieldError(f"{field}.{name}", f"expected a number of at least 0, got {shown(count)}")
