"""Settings from a TOML file: sections named after commands, keys named after flags."""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sft_cli.run.errors import UserError, shown
from sft_cli.run.flags import fields_of
from sft_cli.run.registry import near_name


def read_toml(path: str, flag: str) -> dict[str, Any]:
    """The content of a TOML file that `flag` names. Raises UserError if it cannot be read or is not TOML."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{flag}: cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not TOML: {error}") from error


def read_section(path: str, command: str, known_commands: list[str], settings: type) -> dict[str, Any]:
    """The `[command]` section of a TOML file, with keys as field names. Unknown sections and keys are errors."""
    document = read_toml(path, "--config")
    for name, content in document.items():
        if name not in known_commands or not isinstance(content, dict):
            raise UserError(
                f"{path}: {name}: expected a section named after a command.{near_name(name, known_commands)} "
                f"Known: {', '.join(known_commands)}"
            )
    fields = {field.name: field for field in fields_of(settings) if field.name not in ("config", "print_config")}
    known = list(fields)
    section = {key.replace("-", "_"): value for key, value in document.get(command, {}).items()}
    for key, value in section.items():
        if key not in fields:
            from sft_cli.run.foreign import foreign_flag

            advice = foreign_flag(command, key)
            cure = f"\nhint: {advice}" if advice else f"{near_name(key, known)} Known: {', '.join(known)}"
            raise UserError(f"{path}: {command}.{key}: unknown key{'' if advice else '.'}{cure}")
        where = f"{path}: {command}.{key}"
        if not _is_a(fields[key].type, value):
            raise UserError(f"{where}: expected {TOML_TYPES[fields[key].type]}, got {shown(value)}")
        section[key] = fields[key].flag.check(where, value)
    return section


def check_variables(environment: Mapping[str, str], prefix: str, settings: type) -> None:
    """Raise UserError for an environment variable that begins with `prefix` and sets no flag of this command."""
    known = [f"{prefix}_{field.name.upper()}" for field in fields_of(settings) if not field.flag.positional]
    for name in sorted(environment):
        if name.startswith(f"{prefix}_") and name not in known and environment[name]:
            raise UserError(
                f"{name}: no flag reads this environment variable.{near_name(name, known)}\n"
                f"hint: unset {name}; variables of flags have names like {known[0]}"
            )


TOML_TYPES: dict[Any, str] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list[str]: 'a list of strings, as in ["a", "b"]',
}


def _is_a(kind: Any, value: Any) -> bool:
    if kind == list[str]:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def as_toml(command: str, settings: Any) -> str:
    """The settings as a `[command]` section for `--config`; keys without a value are comments."""
    lines = [f"[{command}]"]
    for name, value in dataclasses.asdict(settings).items():
        if name in ("config", "print_config"):
            continue
        lines.append(f"# {name} =" if value is None else f"{name} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    # Like JSON, with two exceptions: TOML writes infinity as inf, and DEL as an escape.
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
