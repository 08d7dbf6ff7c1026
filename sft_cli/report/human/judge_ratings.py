"""Verdicts of a judge model, in the form of ratings: from the rows that the judge wrote, or from their scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePath
from typing import Any

from sft_cli.metrics.answers import said
from sft_cli.metrics.judge_pairwise import winner_of
from sft_cli.metrics.judge_rating import read_rating
from sft_cli.report.human.key import Key, KeyRow
from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.run.jsonl import read_jsonl
from sft_cli.run.manifest import manifest_path, read_manifest
from sft_cli.run.text import counted

PAIRWISE, RATING = "judge-pairwise", "judge-rating"


@dataclass
class Verdicts:
    """What a judge said of one row: points for the second system (1, 0.5 for a tie, 0), or ratings.

    order_points: the points by the system that was shown first; `first` counts verdicts for the answer shown first,
    and `decided` all that are no ties.
    """

    row: KeyRow
    order_points: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    ratings: list[float] = field(default_factory=list)
    first: int = 0
    decided: int = 0

    @property
    def points(self) -> float:
        """The mean over both orders."""
        means = [sum(points) / len(points) for points in self.order_points.values()]
        return sum(means) / len(means)


@dataclass
class JudgeFile:
    """The verdicts of a judge on the rows of a page, and the number that were left out."""

    path: str
    rater: str
    verdicts: dict[tuple[str, int], Verdicts] = field(default_factory=dict)
    elsewhere: int = 0
    unread: int = 0

    def lines(self, key: Key) -> list[str]:
        """What to report: how the file was read, and what was left out."""
        sides = f": base is {key.systems[0]}, other is {key.systems[1]}" if key.kind == "pair" else ""
        lines = [f"{self.path}: {counted(len(self.verdicts), 'row')} by the judge {self.rater}{sides}"]
        if self.elsewhere:
            lines.append(
                f"warning: {self.path}: {counted(self.elsewhere, 'verdict')} left out: the row is not on the page"
            )
        if self.unread:
            lines.append(f"warning: {self.path}: {counted(self.unread, 'verdict')} left out: cannot be read")
        return lines


def is_judge_file(path: str) -> bool:
    """Whether the first row of a file is a judge's: of `sft generate` on a judge's prompts, or of `sft score`."""
    for _, row in read_jsonl(path):
        if isinstance(row, FieldError):
            return False
        return isinstance(row.get("judge"), dict) or isinstance(row.get("stats"), dict)
    return False


def read_judge_file(path: str, key: Key, limit: int | None) -> JudgeFile:
    """The verdicts of one judge. Raises UserError, naming `file:line`, for a row that is no verdict on this page."""
    if len(key.systems) > 2:
        raise UserError(f"{path}: verdicts of a judge need a page of one or two files, got {len(key.systems)} files")
    file = JudgeFile(path, judge_name(path))
    names = {(f"{row.id}/{row.sample}" if row.sample else f"{row.id}"): row for row in key.rows if not row.is_repeat}
    seen: dict[str, int] = {}
    for number, row in islice(read_jsonl(path), limit):
        try:
            if isinstance(row, FieldError):
                raise row
            _take_verdict(file, row, key, names)
            _once(row, number, seen)
        except FieldError as error:
            hint = error.hint or "sft prep --judge, sft generate and sft score write the verdicts of a judge"
            raise UserError(f"{path}:{number}: {error}\nhint: {hint}") from None
    file.verdicts = {place: each for place, each in file.verdicts.items() if each.order_points or each.ratings}
    if not file.verdicts:
        raise UserError(f"{path}: no verdict on a row of {key.path}\nhint: judge the generations of the page")
    return file


def judge_name(path: str) -> str:
    """The name of the judge: the model in the manifest of its generations, otherwise the name of the file."""
    for _ in range(2):  # the scores name the generations as their input
        if not manifest_path(path).is_file():
            break
        manifest = read_manifest(manifest_path(path))
        model = manifest.get("config", {}).get("model")
        if model:
            return PurePath(str(model)).name
        inputs = [entry.get("path") for entry in manifest.get("inputs", [])]
        if not inputs or not isinstance(inputs[0], str):
            break
        path = inputs[0]
    return PurePath(path).name.removesuffix(".jsonl").removesuffix(".gen")


def _once(row: dict[str, Any], number: int, seen: dict[str, int]) -> None:
    place = f"{row['id']} {row.get('sample', 0)}"
    if seen.setdefault(place, number) != number:
        raise FieldError("id", f"{shown(row['id'])} is already in line {seen[place]}")


def _take_verdict(file: JudgeFile, row: dict[str, Any], key: Key, names: dict[str, KeyRow]) -> None:
    if not isinstance(row.get("id"), (str, int)):
        raise FieldError("id", f"expected text, got {shown(row.get('id'))}")
    name = _pair_name(row)
    place = names.get(name)
    if place is None:
        file.elsewhere += 1
        return
    if None not in (row.get("prompt_hash"), place.prompt_hash) and row["prompt_hash"] != place.prompt_hash:
        raise FieldError("prompt_hash", f"the judge read another question than the page has for {shown(name)}")
    verdicts = file.verdicts.setdefault((str(place.id), place.sample), Verdicts(place))
    take = {"pair": _take_pair, "single": _take_rating}[key.kind]
    file.unread += not take(verdicts, row, key)


def _pair_name(row: dict[str, Any]) -> str:
    """The id of the judged generation, with its sample."""
    judge = row.get("judge")
    if isinstance(judge, dict) and "pair" in judge:
        return str(judge["pair"])
    name, mark, order = str(row["id"]).rpartition("#")
    return name if mark and order in ("1", "2") else str(row["id"])


def _take_pair(verdicts: Verdicts, row: dict[str, Any], key: Key) -> bool:
    """Add a verdict, or the sums of a scored pair; return whether it could be read."""
    if row.get("stats") == {}:
        return True  # a score has the sums of both orders in one of its two rows
    if "stats" in row:
        sums = _sums(row, PAIRWISE, ("win", "read", "decided", "for_first"))
        if not sums["read"]:
            return False
        verdicts.order_points["both"].append(float(sums["win"]))
        verdicts.first += int(sums["for_first"])
        verdicts.decided += int(sums["decided"])
        return True
    judge = row.get("judge")
    if not isinstance(judge, dict) or judge.get("kind") != "pairwise" or judge.get("first") not in ("base", "other"):
        raise FieldError("judge", f"expected a pairwise judgement, got {shown(judge)}")
    _check_completion(row)
    winner = winner_of(row)
    if winner is None:
        return False
    verdicts.order_points[judge["first"]].append({"other": 1.0, "base": 0.0}.get(winner, 0.5))
    verdicts.decided += winner != "tie"
    verdicts.first += winner == judge["first"]
    return True


def _take_rating(verdicts: Verdicts, row: dict[str, Any], key: Key) -> bool:
    low, high = key.criteria[0].bounds
    if "stats" in row:
        rating = _sums(row, RATING, ()).get("rating")
    else:
        judge = row.get("judge")
        if not isinstance(judge, dict) or judge.get("kind") != "rating":
            raise FieldError("judge", f"expected a rating, got {shown(judge)}")
        _check_completion(row)
        scale = judge.get("lowest"), judge.get("highest")
        if scale != (low, high):
            raise FieldError(
                "judge", f"expected the page's scale, {low} to {high}, got {scale[0]} to {scale[1]}", SCALE_CURE
            )
        rating = read_rating(said(row), low, high)
    if rating is None:
        return False
    if not low <= rating <= high:
        raise FieldError("rating", f"expected the page's scale, {low} to {high}, got {rating:g}", SCALE_CURE)
    verdicts.ratings.append(rating)
    return True


SCALE_CURE = 'for the scale of the judge, add a criterion named overall with scale = "1-10" to --criteria'


def _sums(row: dict[str, Any], metric: str, names: tuple[str, ...]) -> dict[str, Any]:
    sums = row["stats"].get(metric) if isinstance(row["stats"], dict) else None
    if not isinstance(sums, dict) or not all(isinstance(sums.get(name), (int, float)) for name in names):
        raise FieldError(f"stats.{metric}", f"expected the sums of {metric}, got {shown(sums)}")
    return sums


def _check_completion(row: dict[str, Any]) -> None:
    if "completion" not in row or not isinstance(row["completion"], (str, type(None))):
        raise FieldError("completion", f"expected text, got {shown(row.get('completion'))}")


def rated_rows(files: list[JudgeFile]) -> Iterator[tuple[JudgeFile, Verdicts]]:
    """Each judged row of each file."""
    for file in files:
        for verdicts in file.verdicts.values():
            yield file, verdicts
