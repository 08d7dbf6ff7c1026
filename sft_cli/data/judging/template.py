"""The prompt of a judge: a Jinja template."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sft_cli.data.jinja import TextTemplate
from sft_cli.run.errors import UserError

NAMES = {"pairwise": ("first", "second"), "rating": ("answer",)}  # the values that a template of this kind must show


@cache
def built_in_template(kind: str, language: str) -> TextTemplate:
    """The built-in template; `language` is `en` or `zh`."""
    return judge_template(Path(__file__).parent / f"{kind}.{language}.j2", kind)


def judge_template(path: Path, kind: str) -> TextTemplate:
    """The template of a file; raises UserError if it cannot be read or does not show the answers."""
    template = TextTemplate(path, "--judge-template")
    unused = [name for name in NAMES[kind] if name not in template.used]
    if unused:
        raise UserError(f"{path}:1: expected {{{{ {unused[0]} }}}} in a template of --judge {kind}, got none")
    return template
