"""Score files side by side: their rows paired, their labels short, their signatures checked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePath
from typing import Any

from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.run.jsonl import read_jsonl
from sft_cli.run.registry import near_name

PairKey = tuple[Any, int]  # id, sample


@dataclass
class ScoreFile:
    """One file that `sft score` wrote."""

    path: str
    label: str
    rows: dict[PairKey, dict[str, Any]]
    errors: int  # rows that count as wrong because generation failed
    signatures: dict[str, str] = field(default_factory=dict)  # of each metric, with the number of rows that have it

    @property
    def metrics(self) -> list[str]:
        """The metrics that at least one row has sums of, in order of appearance."""
        return list(dict.fromkeys(key for row in self.rows.values() for key in row["stats"]))


def read_score_file(path: str, label: str, limit: int | None = None) -> ScoreFile:
    """Read one file; raises UserError naming `file:line` for a row that is no score or whose id and sample recur."""
    rows: dict[PairKey, dict[str, Any]] = {}
    lines: dict[PairKey, int] = {}
    signatures: dict[str, str] = {}
    name = "<stdin>" if path == "-" else path
    for number, row in islice(read_jsonl(path), limit):
        try:
            _check_score(row)
        except FieldError as error:
            raise UserError(f"{name}:{number}: {error}\nhint: sft score writes the files that are compared") from None
        assert isinstance(row, dict)
        key = (row["id"], row.get("sample", 0))
        if key in rows:
            raise UserError(
                f"{name}:{number}: id: {shown(row['id'])}, sample {key[1]} is in line {lines[key]} already; "
                "rows are paired by id and sample"
            )
        rows[key], lines[key] = row, number
        for metric, signature in row.get("signatures", {}).items():
            if signatures.setdefault(metric, signature) != signature:
                raise UserError(
                    f"{name}:{number}: signatures.{metric}: expected {signatures[metric]} as in the rows before, got "
                    f"{signature}\nhint: score all rows with the same options"
                )
    errors = sum(row.get("finish_reason") == "error" for row in rows.values())
    counts = Counter(metric for row in rows.values() for metric, sums in row["stats"].items() if sums.get("count"))
    sized = {metric: _with_count(signature, counts[metric]) for metric, signature in signatures.items()}
    return ScoreFile(path, label, rows, errors, sized)


def _with_count(signature: str, count: int) -> str:
    name, _, parts = signature.partition("|")
    return f"{name}|n:{count}|{parts}"


def _check_score(row: dict[str, Any] | FieldError) -> None:
    if isinstance(row, FieldError):
        raise row
    if not isinstance(row.get("id"), (str, int)):
        raise FieldError("id", f"expected text, got {shown(row.get('id'))}")
    if not isinstance(row.get("sample", 0), int):
        raise FieldError("sample", f"expected a number, got {shown(row['sample'])}")
    for part in ("stats", "metrics", "signatures"):
        if not isinstance(row.get(part, {} if part == "signatures" else None), dict):
            raise FieldError(part, f"expected an object, got {shown(row.get(part))}")
    for key, sums in row["stats"].items():
        if not isinstance(sums, dict):
            raise FieldError(f"stats.{key}", f"expected an object, got {shown(sums)}")
        for sum_name, value in {"count": None, **sums}.items():
            if not isinstance(value, (int, float)):
                raise FieldError(f"stats.{key}.{sum_name}", f"expected a number, got {shown(value)}")


def labels_of(paths: list[str]) -> list[str]:
    """A short name for each path: the file's stem, with as many folders before it as tell the names apart."""
    stems = [PurePath(path).with_suffix("") if path.endswith(".jsonl") else PurePath(path) for path in paths]
    depth = max((len(stem.parts) for stem in stems), default=1)
    labels: list[str] = []
    for count in range(1, depth + 1):
        labels = ["/".join(stem.parts[-count:]) for stem in stems]
        if len(set(labels)) == len(labels):
            return labels
    return [f"{label}#{place}" if labels.count(label) > 1 else label for place, label in enumerate(labels, 1)]


def paired_keys(files: list[ScoreFile]) -> list[PairKey]:
    """The (id, sample) that every file has, in the order of the first; raises UserError if there are none."""
    keys = [key for key in files[0].rows if all(key in file.rows for file in files[1:])]
    if not keys:
        raise UserError(f"no id and sample is in all of {', '.join(file.path for file in files)}")
    return keys


def comparable_part(signature: str) -> dict[str, str]:
    """A signature's parts without the number of rows and the versions."""
    parts = dict(part.partition(":")[::2] for part in signature.split("|")[1:])
    return {name: value for name, value in parts.items() if name not in ("n", "v", "version")}


def check_signatures(files: list[ScoreFile], key: str) -> list[str]:
    """Warnings about one metric's signatures; raises UserError if two differ in more than size and version."""
    known = [(file, file.signatures[key]) for file in files if key in file.signatures]
    warnings = []
    for file, signature in known[1:]:
        first, first_signature = known[0]
        ours, theirs = comparable_part(first_signature), comparable_part(signature)
        if ours != theirs:
            raise UserError(
                f"{key}: cannot compare what was measured differently\n{first.path}: {first_signature}\n"
                f"{file.path}: {signature}\nhint: score both files with the same options"
            )
        if _versions(first_signature) != _versions(signature):
            warnings.append(f"warning: {key}: {first.label} and {file.label} were scored by different versions")
    return warnings


def _versions(signature: str) -> list[str]:
    return [part for part in signature.split("|") if part.startswith(("v:", "version:"))]


def common_metrics(files: list[ScoreFile]) -> tuple[list[str], list[str]]:
    """The metrics that all files have, and those that only some have."""
    everywhere = [key for key in files[0].metrics if all(key in file.metrics for file in files)]
    somewhere = list(dict.fromkeys(key for file in files for key in file.metrics if key not in everywhere))
    if not everywhere:
        found = "; ".join(f"{file.path}: {', '.join(file.metrics) or 'none'}" for file in files)
        raise UserError(f"the files have no metric in common ({found})")
    return everywhere, somewhere


def known_metric(name: str, known: list[str], flag: str) -> str:
    """Give back a metric that the files have; raise UserError that names the nearest otherwise."""
    if name not in known:
        raise UserError(
            f"{flag}: no such metric in all files: {name!r}.{near_name(name, known)} Known: {', '.join(known)}"
        )
    return name
