"""`--map NEW=OLD`: fields under new names; OLD may be a path into a field, such as `choices.0.message.content`."""

from __future__ import annotations

import difflib
from typing import Any

from sft_cli.data.formats.content import read_json
from sft_cli.data.rows import key_names
from sft_cli.run.errors import FieldError, shown
from sft_cli.run.text import counted

SEPARATOR = "."


def rename(record: dict[str, Any], mapping: dict[str, list[str]]) -> dict[str, Any]:
    """The record with its fields under their new names, in their old places.

    A field with a value that a path names is replaced by this value. Raises FieldError for a field that is missing, and
    for a name that two fields would have.
    """
    taken: dict[str, list[tuple[str, Any]]] = {}
    for old, names in mapping.items():
        if old in record:
            taken.setdefault(old, []).extend((name, record[old]) for name in names)
            continue
        top = top_of_path(record, old)
        if top is None or old.endswith(SEPARATOR):
            near = difflib.get_close_matches(old, list(record), n=1)
            problem = f"expected a field for {', '.join(names)}, got the fields {key_names(record)}"
            raise FieldError(old, problem, " ".join(f"--map {name}={near[0]}" for name in names) if near else "")
        value = value_at(record, old, top, ", ".join(names))
        taken.setdefault(top, []).extend((name, value) for name in names)
    renamed: dict[str, Any] = {}
    for key, value in record.items():
        for name, new in taken.get(key, [(key, value)]):
            if name in renamed:
                raise FieldError(name, "expected one field of this name, got two: one from --map and one in the record")
            renamed[name] = new
    return renamed


def top_of_path(record: dict[str, Any], path: str) -> str | None:
    """The field in which a path begins; the longest, because the name of a field may have points. None without one."""
    end = path.rfind(SEPARATOR)
    while end > 0:
        if path[:end] in record:
            return path[:end]
        end = path.rfind(SEPARATOR, 0, end)
    return None


def value_at(record: dict[str, Any], path: str, top: str, names: str) -> Any:
    """The value that a path names, from its field on; raises FieldError, naming the first step that is missing."""
    value = record[top]
    place, rest = top, path[len(top) + 1 :]
    while rest:
        if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
            value = read_json(value, place)  # the cell of a table
        if isinstance(value, dict):
            # The whole rest may be one key with points; otherwise the longest beginning that is a key.
            step = rest if rest in value else top_of_path(value, rest) or rest.partition(SEPARATOR)[0]
            known = step in value
            got = f"the fields {key_names(value)}" if value else "an object without fields"
        elif isinstance(value, list):
            step = rest.partition(SEPARATOR)[0]
            known = step.removeprefix("-").isdecimal() and -len(value) <= int(step) < len(value)
            got = f"a list of {counted(len(value), 'value')}"
        else:
            step, known, got = rest.partition(SEPARATOR)[0], False, shown(value)
        place = f"{place}{SEPARATOR}{step}"
        if not known:
            raise FieldError(place, f"expected a field for {names}, got {got}")
        value = value[int(step)] if isinstance(value, list) else value[step]
        rest = rest[len(step) + 1 :]
    return value
