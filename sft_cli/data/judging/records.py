"""The records for a judge: each generation, or each pair of generations in both orders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from sft_cli.data.identity import prompt_hash
from sft_cli.data.rows import refuse_terminal
from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.run.jsonl import read_jsonl
from sft_cli.run.text import counted

LocatedRow = tuple[str, dict[str, Any] | FieldError]


def judge_records(kind: str, paths: list[str], say: Callable[[str], None]) -> Iterator[LocatedRow]:
    """One record for each generation, or two records (one for each order) for each pair of generations of two files.

    A record is a generation whose `id` also contains its sample. Its `judged` has the `answers` in the order in which
    they are shown; for pairs it also has the file of the `first` answer and the number of the `order`. Generations are
    paired by id and sample. Generations that only one file has are reported, and so are failed ones. Raises UserError
    for another number of files.
    """
    if kind == "pairwise" and len(paths) != 2:
        raise UserError(f"--judge pairwise: expected two files, the base and another, got {len(paths)}")
    if kind == "rating" and len(paths) != 1:
        raise UserError(f"--judge rating: expected one file of generations, got {len(paths)}")
    if paths.count("-") > 1:
        raise UserError("--judge pairwise: expected two files, got stdin twice")
    failed: Counter[str] = Counter()
    yield from _pairs(paths, failed, say) if kind == "pairwise" else _generations(paths[0], failed)
    if failed.total():
        say(f"{counted(failed.total(), 'failed answer')}, judged as empty text")


def _pairs(paths: list[str], failed: Counter[str], say: Callable[[str], None]) -> Iterator[LocatedRow]:
    base: dict[str, tuple[str, dict[str, Any]]] = {}
    for where, ours in _generations(paths[0], failed):
        if isinstance(ours, FieldError):
            yield where, ours
        else:
            base[ours["id"]] = where, ours
    paired = alone = 0
    for where, other in _generations(paths[1], failed):
        if isinstance(other, FieldError):
            yield where, other
            continue
        if other["id"] not in base:
            alone += 1
            continue
        paired += 1
        base_where, ours = base.pop(other["id"])
        if len({prompt_hash(ours), prompt_hash(other)} - {None}) > 1:
            yield (
                where,
                FieldError("messages", f"this question differs from {base_where}, which has the same id"),
            )
            continue
        answers = [*ours["judged"]["answers"], *other["judged"]["answers"]]
        yield where, {**ours, "judged": {"answers": answers, "first": "base", "order": 1}}
        yield where, {**ours, "judged": {"answers": answers[::-1], "first": "other", "order": 2}}
    if alone or base:
        say(f"{counted(paired, 'pair')}; {len(base):,} only in {paths[0]}, {alone:,} only in {paths[1]}, not judged")


def _generations(path: str, failed: Counter[str]) -> Iterator[LocatedRow]:
    refuse_terminal(path)
    lines: dict[str, int] = {}
    for number, row in read_jsonl(path):
        where = f"{'<stdin>' if path == '-' else path}:{number}"
        try:
            if isinstance(row, FieldError):
                raise row
            record = _checked(row)
            if record["id"] in lines:
                problem = f"expected one row for each id and sample, got {record['id']!r} in line {lines[record['id']]}"
                raise FieldError("id", f"{problem} too")
        except FieldError as error:
            yield where, error
            continue
        lines[record["id"]] = number
        failed[path] += has_failed(row)
        yield where, record


def _checked(row: dict[str, Any]) -> dict[str, Any]:
    if "completion" not in row or not isinstance(row["completion"], (str, type(None))):
        problem = f"expected text, got {shown(row.get('completion'))}; --judge reads files that sft generate wrote"
        raise FieldError("completion", problem)
    name, sample = row.get("id"), row.get("sample", 0)
    if not isinstance(name, (str, int)) or isinstance(name, bool):
        raise FieldError("id", f"expected text, got {shown(name)}")
    if not isinstance(sample, int) or isinstance(sample, bool) or sample < 0:
        raise FieldError("sample", f"expected a number of at least 0, got {shown(sample)}")
    # A failed row is judged as an empty answer: without it, the model would look better than it is.
    answer = "" if has_failed(row) else row["completion"]
    return {**row, "id": f"{name}/{sample}" if sample else f"{name}", "judged": {"answers": [answer]}}


def has_failed(row: dict[str, Any]) -> bool:
    """Whether sft generate could not finish a row."""
    return row["completion"] is None or row.get("finish_reason") == "error"
