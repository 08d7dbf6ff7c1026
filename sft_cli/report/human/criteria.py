"""What raters judge: criteria with their questions, guidelines and scales."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sft_cli.run.config import read_toml
from sft_cli.run.errors import UserError, shown
from sft_cli.run.registry import near_name

OVERALL = "overall"
PAIR_CHOICES = ("left", "right", "tie", "both-bad")
YES_NO = "yes-no"
CRITERION_FIELDS = ("name", "question", "guideline", "scale")
MOST_STEPS_OF_A_SCALE = 10
PAGE_SCALES = {"pair": "choice", "ranking": "ranking", "single": "1-5"}  # the scale of each kind of page


@dataclass(frozen=True)
class Criterion:
    """One thing to judge; the page words an empty question itself. `scale`: choice, ranking, yes-no, or 1-5."""

    name: str
    question: str = ""
    guideline: str = ""
    scale: str = "choice"

    @property
    def bounds(self) -> tuple[int, int]:
        """The lowest and the highest rating; 0 and 1 for yes-no."""
        return (0, 1) if self.scale == YES_NO else scale_bounds(self.scale) or (0, 0)


@dataclass(frozen=True)
class RaterTask:
    """All that the raters of a page are asked: instructions, and the criteria, `overall` first."""

    instructions: str
    criteria: list[Criterion]

    def document(self) -> dict[str, Any]:
        """The task for the page and the key."""
        return {"instructions": self.instructions, "criteria": [asdict(each) for each in self.criteria]}


def scale_bounds(scale: str) -> tuple[int, int] | None:
    """The ends of a scale of numbers such as 1-5; None for another text."""
    low, dash, high = scale.partition("-")
    is_numbers = dash and low.isascii() and high.isascii() and low.isdigit() and high.isdigit()
    return (int(low), int(high)) if is_numbers else None


def read_criteria(path: str | None, kind: str) -> RaterTask:
    """The criteria of a file for a page of a kind (pair, single, ranking); without a file only `overall`.

    A criterion of the name `overall` sets the question, the guideline and the scale of the overall judgement. Raises
    UserError, naming the field.
    """
    if path is None:
        return RaterTask("", [Criterion(OVERALL, scale=PAGE_SCALES[kind])])
    document = _document(path)
    if isinstance(document, list):
        document = {"criteria": document}
    if not isinstance(document, dict):
        raise UserError(f"{path}: expected a list of criteria, or an object with criteria, got {shown(document)}")
    _check_keys(path, "", document, ("instructions", "criteria"))
    instructions, entries = document.get("instructions", ""), document.get("criteria", [])
    if not isinstance(instructions, str):
        raise UserError(f"{path}: instructions: expected text, got {shown(instructions)}")
    if not isinstance(entries, list):
        raise UserError(f"{path}: criteria: expected a list, got {shown(entries)}")
    criteria = [_criterion(path, f"criteria[{place}]", entry, kind) for place, entry in enumerate(entries)]
    names = [each.name for each in criteria]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{path}: criteria: expected each name once, got {name!r} {names.count(name)} times")
    overall = [each for each in criteria if each.name == OVERALL] or [Criterion(OVERALL, scale=PAGE_SCALES[kind])]
    return RaterTask(instructions, overall + [each for each in criteria if each.name != OVERALL])


def _document(path: str) -> Any:
    if path.lower().endswith(".toml"):
        return read_toml(path, "--criteria")
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"--criteria: cannot read {path}: {error.strerror}") from error
    except json.JSONDecodeError as error:
        hint = "\nhint: the name of a TOML file ends with .toml"
        raise UserError(f"{path}:{error.lineno}: not JSON: {error.msg}{hint}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8: {error}") from None


def _criterion(path: str, where: str, entry: Any, kind: str) -> Criterion:
    if not isinstance(entry, Mapping):
        raise UserError(f"{path}: {where}: expected an object with a name, got {shown(entry)}")
    _check_keys(path, f"{where}.", entry, CRITERION_FIELDS)
    for field, value in entry.items():
        if not isinstance(value, str):
            raise UserError(f"{path}: {where}.{field}: expected text, got {shown(value)}")
    name = entry.get("name", "").strip()
    if not name:
        raise UserError(f"{path}: {where}.name: expected text, got {shown(entry.get('name'))}")
    scale = entry.get("scale") or PAGE_SCALES[kind]
    _check_scale(f"{path}: {where}.scale", scale, kind)
    return Criterion(name, entry.get("question", ""), entry.get("guideline", ""), scale)


def _check_keys(path: str, where: str, entry: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in entry:
        if key not in known:
            near = near_name(key, list(known))
            raise UserError(f"{path}: {where}{key}: expected one of {', '.join(known)}.{near}")


def _check_scale(where: str, scale: str, kind: str) -> None:
    if kind != "single":
        if scale != PAGE_SCALES[kind]:
            files = "two files" if kind == "pair" else "three or more files"
            raise UserError(f"{where}: expected {PAGE_SCALES[kind]}, the only scale for {files}, got {shown(scale)}")
        return
    bounds = scale_bounds(scale)
    if scale == YES_NO or (bounds and 0 < bounds[1] - bounds[0] < MOST_STEPS_OF_A_SCALE):
        return
    raise UserError(f"{where}: expected yes-no or a scale of at most 10 numbers such as 1-5, got {shown(scale)}")
