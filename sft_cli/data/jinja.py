"""Text from a Jinja template of a file, in a sandbox."""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from typing import Any, NamedTuple

from sft_cli.run.errors import UserError


class RenderError(UserError):
    """A template that could not be rendered: `file:line: reason`; `missing` names a value that was not passed."""

    def __init__(self, path: Path, line: int, problem: str, missing: str = "") -> None:
        super().__init__(f"{path}:{line}: {problem}")
        self.path, self.line, self.missing = path, line, missing


class Rendered(NamedTuple):
    """The output of a template: its text, without white space around it, and the values of `{% set %}` at its top."""

    text: str
    variables: dict[str, Any]


def read_template(path: Path, flag: str) -> str:
    """The text of a template file; raises UserError, naming `flag`, if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise UserError(f"{flag}: {path}: cannot read: {reason}") from None


class TextTemplate:
    """A compiled template file; raises UserError, naming `flag`, if it cannot be read, or the line of a mistake.

    text: the part of the file that is the template [default: all of it]. `used` has the names that the template uses,
    each with the first line that uses it; `sets` has those that `{% set %}` gives a value at its top.
    """

    def __init__(self, path: Path, flag: str, text: str | None = None) -> None:
        from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
        from jinja2.meta import find_undeclared_variables
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        self.path = path
        text = read_template(path, flag) if text is None else text
        environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
        try:
            tree = environment.parse(text)
            given = find_undeclared_variables(tree) - environment.globals.keys()
            self.compiled = environment.from_string(text)
        except TemplateSyntaxError as error:
            raise UserError(f"{path}:{error.lineno}: {error.message}") from None
        lines = sorted(((node.name, node.lineno) for node in tree.find_all(nodes.Name)), reverse=True)
        self.used = {name: line for name, line in lines if name in given}
        parts: dict[str, list[nodes.Node]] = {}
        for part in tree.body:
            is_set = isinstance(part, (nodes.Assign, nodes.AssignBlock)) and isinstance(part.target, nodes.Name)
            parts.setdefault(part.target.name if is_set else "", []).append(part)  # type: ignore[attr-defined]
        self.sets = parts.keys() - {""}
        self._names = {
            name: {node.name for part in nodes_of for node in part.find_all(nodes.Name)} & given
            for name, nodes_of in parts.items()
        }

    def used_outside(self, name: str) -> set[str]:
        """The names that the template uses, without those that only the value of `name` uses."""
        return {each for part, names in self._names.items() if part != name for each in names}

    def render(self, values: dict[str, Any]) -> Rendered:
        """The text of these values; raises RenderError with the line that failed."""
        try:
            module = self.compiled.make_module(values)
        except Exception as error:  # a template is a program and can raise anything
            frames = traceback.extract_tb(error.__traceback__)
            lines = [frame.lineno for frame in frames if frame.filename == "<template>" and frame.lineno]
            if not lines:
                raise
            # make_module, unlike render, leaves the lines of the generated code in the traceback.
            line = self.compiled.get_corresponding_lineno(lines[-1])
            known = f"; a template has {', '.join(values)}" if "undefined" in str(error) else ""
            missing = re.fullmatch(r"'(\w+)' is undefined", str(error))
            raise RenderError(self.path, line, f"{error}{known}", missing[1] if missing else "") from None
        text = str(module).strip()
        if not text:
            raise RenderError(self.path, 1, "expected a prompt, got an empty text")
        return Rendered(text, {name: value for name, value in vars(module).items() if not name.startswith("_")})
