"""Instruction following as a metric: strict and loose, by rows and by instructions."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sft_cli.metrics.answers import said
from sft_cli.metrics.arithmetic import ratio
from sft_cli.metrics.instructions import INSTRUCTIONS
from sft_cli.metrics.protocol import Metric, PartRead, Sums
from sft_cli.run.errors import FieldError, UserError, shown

IDS, ARGUMENTS = "instruction_id_list", "kwargs"


def loose_forms(text: str) -> list[str]:
    """The text, and the text without its first line, its last, or both; each also without asterisks (loose mode)."""
    lines = text.split("\n")
    cut = ["\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1])]
    return [form for part in (text, *cut) for form in (part, part.replace("*", ""))]


@dataclass(frozen=True, kw_only=True)
class Instructions(Metric):
    """Shares of instructions followed, checked by programs; rows have IFEval's `instruction_id_list` and `kwargs`.

    `strict` takes the completion unchanged, `loose` also without its first or last line and without asterisks. By
    `prompt`: all instructions of a row together; by `instruction`: each separately. An empty or failed completion
    follows no instruction.
    """

    name: ClassVar[str] = "instructions"
    primary: ClassVar[str] = "instructions.prompt_strict"
    primary_sums: ClassVar[tuple[str, ...]] = ("prompt_strict", "count")
    reads: ClassVar[PartRead] = "text"
    missing: ClassVar[str] = "no_instructions"

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """1 for a row, and the number of its instructions, that were followed strictly and loosely."""
        checks = checks_of(row)
        if not checks:
            return None
        text = said(row) or ""
        sums: Sums = {"instructions": len(checks), "count": 1}
        for how, forms in (("strict", [text]), ("loose", loose_forms(text))):
            followed = [any(form.strip() and check(form) for form in forms) for check in checks]
            sums |= {f"prompt_{how}": int(all(followed)), f"instruction_{how}": sum(followed)}
        return sums

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Shares by rows and by instructions."""
        shares = {}
        for name, whole in (("prompt", "count"), ("instruction", "instructions")):
            for how in ("strict", "loose"):
                if whole in sums and f"{name}_{how}" in sums:
                    shares[f"instructions.{name}_{how}"] = ratio(sums[f"{name}_{how}"], sums[whole])
        return shares

    def signature_parts(self) -> dict[str, str]:
        """The methods to find sentences and languages."""
        return {"sent": "rules", "lang": "langdetect"}


def checks_of(row: Mapping[str, Any]) -> list[Callable[[str], bool]]:
    """The row's instructions, each a function of a text. Raises FieldError for one that does not exist or fit."""
    names, arguments = row.get(IDS) or [], row.get(ARGUMENTS)
    if not isinstance(names, list):
        raise FieldError(IDS, f"expected a list, got {shown(names)}")
    each = [{}] * len(names) if arguments is None else arguments
    if not isinstance(each, list) or len(each) != len(names):
        raise FieldError(ARGUMENTS, f"expected a list with an object for each of {len(names)} instructions")
    return [_check(place, name, given or {}, row) for place, (name, given) in enumerate(zip(names, each, strict=True))]


def _check(place: int, name: Any, given: Any, row: Mapping[str, Any]) -> Callable[[str], bool]:
    try:
        function: Callable[..., bool] = INSTRUCTIONS.load(name if isinstance(name, str) else "")
    except UserError as error:
        raise FieldError(f"{IDS}[{place}]", str(error)) from None
    where = f"{ARGUMENTS}[{place}]"
    if not isinstance(given, dict):
        raise FieldError(where, f"expected an object, got {shown(given)}")
    # IFEval's file has every argument for every instruction, with null if the argument does not apply.
    arguments = {key: value for key, value in given.items() if value is not None}
    parameters = dict(list(inspect.signature(function).parameters.items())[1:])
    unknown = arguments.keys() - parameters.keys()
    lacking = [key for key, each in parameters.items() if each.default is each.empty and key not in arguments]
    if unknown or lacking:
        problem = f"unknown {', '.join(sorted(unknown))}" if unknown else f"no {', '.join(lacking)}"
        raise FieldError(where, f"expected the arguments of {name} ({', '.join(parameters) or 'none'}), got {problem}")

    def check(text: str) -> bool:
        try:
            return bool(function(text, **arguments))
        except (TypeError, AttributeError, re.error) as error:
            raise FieldError(where, f"expected arguments that fit {name}: {error}") from None

    return check
