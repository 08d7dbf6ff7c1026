"""The prompt of a judge: a Jinja template, in a sandbox."""

from __future__ import annotations

import traceback
from functools import cache
from pathlib import Path
from typing import Any

from sft_cli.run.errors import UserError

NAMES = {"pairwise": ("first", "second"), "rating": ("answer",)}  # what a template of this kind must show


@cache
def built_in_template(kind: str, language: str) -> JudgeTemplate:
    """The template of the package, `language` being `en` or `zh`."""
    return JudgeTemplate(Path(__file__).parent / f"{kind}.{language}.j2", kind)


class JudgeTemplate:
    """A compiled template file; raises UserError if it cannot be read or does not show what is to be judged."""

    def __init__(self, path: Path, kind: str) -> None:
        from jinja2 import StrictUndefined, TemplateSyntaxError
        from jinja2.meta import find_undeclared_variables
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        self.path = path
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8"
            raise UserError(f"--judge-template: {path}: cannot read: {reason}") from None
        environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
        try:
            used = find_undeclared_variables(environment.parse(text))
            self.compiled = environment.from_string(text)
        except TemplateSyntaxError as error:
            raise UserError(f"{path}:{error.lineno}: {error.message}") from None
        unused = [name for name in NAMES[kind] if name not in used]
        if unused:
            raise UserError(f"{path}:1: expected {{{{ {unused[0]} }}}} in a template of --judge {kind}, got none")

    def render(self, values: dict[str, Any]) -> str:
        """The prompt, without white space around it; raises UserError with the line that failed."""
        try:
            text = str(self.compiled.render(values)).strip()
        except Exception as error:  # a template is a program: what it may raise has no end
            lines = [
                frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"
            ]
            if not lines:
                raise
            known = f"; a template has {', '.join(values)}" if "undefined" in str(error) else ""
            raise UserError(f"{self.path}:{lines[-1]}: {error}{known}") from None
        if not text:
            raise UserError(f"{self.path}:1: expected a prompt, got an empty text")
        return text
