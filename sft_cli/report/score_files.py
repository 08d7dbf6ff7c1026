"""Score files: their numbers as arrays, short labels, checked signatures."""

from __future__ import annotations

import json
from array import array
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePath
from typing import Any

from sft_cli.report.row_numbers import RowNumbers
from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.run.jsonl import read_jsonl
from sft_cli.run.registry import near_name

PairKey = tuple[Any, int]  # id, sample
HASHES = ("prompt_hash", "references_hash")


@dataclass
class ScoreFile:
    """One file that `sft score` wrote. Rows are numbered from 0; only their numbers are kept."""

    path: str
    label: str
    rows: dict[PairKey, int] = field(default_factory=dict)
    lines: array[int] = field(default_factory=lambda: array("q"))
    groups: list[str | None] = field(default_factory=list)  # of each row, the value of the field that --by names
    hashes: dict[str, array[int]] = field(default_factory=lambda: {name: array("Q") for name in HASHES})  # 0: no hash
    sums: dict[str, RowNumbers] = field(default_factory=dict)  # by metric, in order of appearance
    values: RowNumbers = field(default_factory=RowNumbers)  # values of the rows; unknown values are NaN
    errors: int = 0  # rows that count as wrong because generation failed
    cut: set[int] = field(default_factory=set)  # rows whose answer ended at the token limit
    units: list[str | None] = field(default_factory=list)  # of each row, the value of the field that --cluster names
    signatures: dict[str, str] = field(default_factory=dict)  # for each metric, with the number of rows that have it

    @property
    def metrics(self) -> list[str]:
        """The metrics for which at least one row has sums, in order of appearance."""
        return list(self.sums)

    def where(self, row: int) -> str:
        """`file:line` of a row."""
        return f"{_shown_path(self.path)}:{self.lines[row]}"

    def has(self, metric: str) -> Any:
        """Which rows have sums of a metric, bool (rows,)."""
        return self.sums.get(metric, RowNumbers()).has_row(len(self.rows))


def _shown_path(path: str) -> str:
    return "<stdin>" if path == "-" else path


def read_score_file(path: str, label: str, by: str, limit: int | None = None, cluster: str | None = None) -> ScoreFile:
    """Read one file; cluster: the field whose equal values are one unit of evidence.

    Raises UserError naming `file:line` for a row that is not a score, or that occurs twice.

    Also raises UserError for a file without rows.
    """
    file, names, units = ScoreFile(path, label), dict[str, str](), dict[str, str]()
    for number, row in islice(read_jsonl(path), limit):
        try:
            if isinstance(row, FieldError):
                raise row
            _take(file, row, number, by, names)
            if cluster is not None:
                file.units.append(_unit(row, cluster, f"{_shown_path(path)}:{number}", units))
        except FieldError as error:
            raise UserError(
                f"{_shown_path(path)}:{number}: {error}\nhint: sft compare reads files that sft score wrote"
            ) from None
    if not file.rows:
        raise UserError(f"{_shown_path(path)}: no rows\nhint: check whether sft generate and sft score wrote rows")
    size = len(file.rows)
    for metric, signature in file.signatures.items():
        count = int((file.sums[metric].table(["count"], size) > 0).sum()) if metric in file.sums else 0
        name, _, parts = signature.partition("|")
        file.signatures[metric] = f"{name}|n:{count}|{parts}"
    return file


def _take(file: ScoreFile, row: dict[str, Any], number: int, by: str, names: dict[str, str]) -> None:
    """Add one row; `names` holds each name of a group once."""
    _check_score(row)
    key, place = (row["id"], row.get("sample", 0)), len(file.rows)
    if key in file.rows:
        raise UserError(
            f"{_shown_path(file.path)}:{number}: id: {shown(row['id'])}, sample {key[1]} is already in line "
            f"{file.lines[file.rows[key]]}; rows are paired by id and sample"
        )
    file.rows[key] = place
    file.lines.append(number)
    group = row.get(by)
    if group is not None and not isinstance(group, str):
        group = json.dumps(group, ensure_ascii=False)
    if row.get("finish_reason") == "length":
        file.cut.add(place)
    file.groups.append(None if group is None else names.setdefault(group, group))
    for name, kept in file.hashes.items():
        kept.append(_field_hash(row, name))
    for metric, sums in row["stats"].items():
        columns = file.sums.get(metric)
        if columns is None:
            columns = file.sums[metric] = RowNumbers()
        try:
            columns.add(place, sums)
        except TypeError:
            _raise_no_number(f"stats.{metric}", sums)
    try:
        file.values.add(place, row["metrics"])
    except TypeError:
        _raise_no_number("metrics", row["metrics"])
    for metric, signature in row.get("signatures", {}).items():
        if file.signatures.setdefault(metric, signature) != signature:
            raise UserError(
                f"{_shown_path(file.path)}:{number}: signatures.{metric}: expected {file.signatures[metric]} as in "
                f"earlier rows, got {signature}\nhint: score all rows with the same options"
            )
    file.errors += row.get("finish_reason") == "error"


def _unit(row: dict[str, Any], cluster: str, where: str, names: dict[str, str]) -> str:
    value = row.get(cluster)
    if value is None:
        raise UserError(
            f"{where}: {cluster}: expected a value, because --cluster names this field, got nothing\n"
            f"hint: sft score --by {cluster} writes the field into its rows"
        )
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return names.setdefault(text, text)


def _check_score(row: dict[str, Any]) -> None:
    if not isinstance(row.get("id"), (str, int)) or isinstance(row["id"], bool):
        raise FieldError("id", f"expected text, got {shown(row.get('id'))}")
    if not isinstance(row.get("sample", 0), int):
        raise FieldError("sample", f"expected a number, got {shown(row['sample'])}")
    for part in ("stats", "metrics", "signatures"):
        if not isinstance(row.get(part, {} if part == "signatures" else None), dict):
            raise FieldError(part, f"expected an object, got {shown(row.get(part))}")
    for metric, sums in row["stats"].items():
        if not isinstance(sums, dict):
            raise FieldError(f"stats.{metric}", f"expected an object, got {shown(sums)}")
        if "count" not in sums:
            raise FieldError(f"stats.{metric}.count", "expected a number, got null")
    if None in row["metrics"].values():  # a value that is not finite
        row["metrics"] = {name: float("nan") if value is None else value for name, value in row["metrics"].items()}


def _field_hash(row: dict[str, Any], name: str) -> int:
    value = row.get(name)
    if value is None:
        return 0
    try:
        return int(value, 16)
    except (TypeError, ValueError):
        raise FieldError(name, f"expected 16 hexadecimal digits, got {shown(value)}") from None


def _raise_no_number(where: str, numbers: dict[str, Any]) -> None:
    for name, value in numbers.items():
        if not isinstance(value, (int, float)):
            raise FieldError(f"{where}.{name}", f"expected a number, got {shown(value)}")


def labels_of(paths: list[str]) -> list[str]:
    """A short name for each path: the file's stem, with as many folders as needed for different names."""
    stems = [PurePath(path).with_suffix("") if path.endswith(".jsonl") else PurePath(path) for path in paths]
    depth = max((len(stem.parts) for stem in stems), default=1)
    labels: list[str] = []
    for count in range(1, depth + 1):
        labels = ["/".join(stem.parts[-count:]) for stem in stems]
        if len(set(labels)) == len(labels):
            return labels
    return [f"{label}#{place}" if labels.count(label) > 1 else label for place, label in enumerate(labels, 1)]


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
            differ = {name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name)}
            what = "prompts" if differ == {"prompts"} else "options"
            raise UserError(
                f"{key}: cannot compare scores with different {what}\n{first.path}: {first_signature}\n"
                f"{file.path}: {signature}\nhint: score both files with the same {what}"
            )
        if _versions(first_signature) != _versions(signature):
            warnings.append(f"warning: {key}: {first.label} and {file.label} were scored by different versions")
    return warnings


def _versions(signature: str) -> list[str]:
    return [part for part in signature.split("|") if part.startswith(("v:", "version:"))]


def common_metrics(files: list[ScoreFile]) -> tuple[list[str], list[str]]:
    """The metrics that all files have, and the metrics that only some files have."""
    everywhere = [key for key in files[0].metrics if all(key in file.metrics for file in files)]
    somewhere = list(dict.fromkeys(key for file in files for key in file.metrics if key not in everywhere))
    if not everywhere:
        listing = "; ".join(f"{file.path}: {', '.join(file.metrics) or 'none'}" for file in files)
        raise UserError(f"the files have no metric in common ({listing})")
    return everywhere, somewhere


def known_metric(name: str, known: list[str], flag: str) -> str:
    """Return a metric that the files have; otherwise raise UserError with the nearest name."""
    if name not in known:
        raise UserError(
            f"{flag}: not every file has the metric {name!r}.{near_name(name, known)} Known: {', '.join(known)}"
        )
    return name
