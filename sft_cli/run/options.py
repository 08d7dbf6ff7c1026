"""A name with options, `name:option=value,…`, as --metric and --filter take it."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sft_cli.run.errors import UserError
from sft_cli.run.registry import Table, near_name, spelled


def read_with_options(text: str, table: Table, flag: str, defaults: Mapping[str, str] | None = None) -> tuple[str, Any]:
    """The key of a text (its name, and the options that it gives), and the dataclass of the table with these options.

    `defaults` are options for entries that have them; the text overrides them. Raises UserError for an unknown name,
    option or value, and for options joined by a second colon.
    """
    text = spelled(text, table)
    name, _, option_text = text.partition(":")
    name = table.check(name, flag)
    kind = table.load(name)
    hints = typing.get_type_hints(kind) if option_text else {}
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    known = list(fields)
    options: dict[str, Any] = {key: value for key, value in (defaults or {}).items() if key in known}
    given: dict[str, Any] = {}
    for item in filter(None, option_text.split(",")):
        key, equals, value = item.partition("=")
        _refuse_colon(f"{flag} {text}", item, known)
        if key not in known:
            listing = f"Known: {', '.join(known)}" if known else "It has no options."
            raise UserError(f"{flag} {text}: unknown option {key!r} of {name}.{near_name(key, known)} {listing}")
        if not equals:
            raise UserError(f"{flag} {text}: expected {key}=VALUE")
        given[key] = _converted(f"{flag} {text}: {key}", hints[key], value, fields[key].metadata.get("minimum"))
    shown = ",".join(f"{key}={_shown_option(value)}" for key, value in given.items())
    return (f"{name}:{shown}" if shown else name), kind(**{**options, **given})


def _refuse_colon(where: str, item: str, known: Sequence[str]) -> None:
    """Raise UserError if the text of an option continues with another option after a colon."""
    for place, character in enumerate(item):
        rest = item[place + 1 :]
        if character == ":" and rest.partition("=")[0].strip() in known:
            raise UserError(f"{where}: join options with a comma, not a colon: …{item[:place]},{rest}")


def _shown_option(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _converted(where: str, kind: Any, value: str, minimum: int | None = None) -> Any:
    """The option's value; numbers are at least `minimum`, or above 0 without one."""
    if typing.get_origin(kind) is Literal:
        choices = [str(choice) for choice in typing.get_args(kind)]
        if value not in choices:
            cure = "\nhint: join options with a comma" if ":" in value else near_name(value, choices)
            raise UserError(f"{where}: expected one of {', '.join(choices)}, got {value!r}.{cure}")
        return value
    if kind is str:
        return value
    alternatives = typing.get_args(kind)  # `int | None`: a number or none
    or_none = " or none" if alternatives else ""
    if alternatives and value == "none":
        return None
    if ":" in value:
        raise UserError(f"{where}: expected a number{or_none}, got {value!r}\nhint: join options with a comma")
    number_kind = alternatives[0] if alternatives else kind
    try:
        number = number_kind(value)
    except ValueError:
        what = "a whole number" if number_kind is int else "a number"
        raise UserError(f"{where}: expected {what}{or_none}, got {value!r}") from None
    is_large_enough = number > 0 if minimum is None else number >= minimum
    if not is_large_enough or number == float("inf"):
        bound = "more than 0" if minimum is None else f"at least {minimum}{or_none}"
        raise UserError(f"{where}: expected {bound}, got {value!r}")
    return number
