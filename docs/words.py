"""Writes words.txt: every help text and every message of the source, once, to be read from top to bottom.

`make docs` runs it; tests/test_words.py compares the file with what this returns, and checks the words.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, get_type_hints

from sft_cli.commands import COMMANDS
from sft_cli.run.flags import Flag, fields_of
from sft_cli.run.registry import Table

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "sft_cli"
FILE = ROOT / "docs" / "words.txt"
SPEAKING = {"say", "warn", "print", "write"}  # calls that print their text, besides exceptions
CODE = re.compile(  # strings that are not sentences: patterns, SVG, templates, code, the text of benchmarks
    r"\(\?|\\[bwsd]|^<|^\{%|</|=\"|^from |^import |^---\n|->|^[\w.,# ]+ > |Answer:$|^Question|^Sentence|^My answer is"
    r"|^  def |^it's 3x|^text\{"
    r"|^(?=.*_)[a-z0-9_]+( [a-z0-9_]+)*$"  # names of flags of other tools
    r"|mr mrs ms|inc ltd co|the a an in"  # lists of words
    r"|^\s*(?:CREATE|INSERT|SELECT|PRAGMA|DROP) "  # SQL
    r"|^What is the \{relation|^Complete the fact"  # questions to a model
    r"|Is the answer|^Model \(|^latin-1|^gold_label|^question\.|^Integer|^can't allocate|^black on"
)


class Text(NamedTuple):
    """A string of the source: its file, its line, and whether it is raised as a RuntimeError: a bug of ours."""

    file: Path
    line: int
    text: str
    is_bug: bool = False

    @property
    def room(self) -> str:
        """The folder below sft_cli, or the name of a file that lies there."""
        return self.file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def messages() -> list[Text]:
    """Every error, hint, note and warning of the source, in the order of the files; holes are shown as {…}."""
    texts = []
    for file in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        bugs = _bug_lines(tree)
        for line, text, is_spoken in _strings(tree, False):
            words = len(re.findall(r"[^\W\d_]{2,}", text.replace("{…}", "")))
            if (words >= 4 or (is_spoken and words >= 2)) and " " in text.strip() and not CODE.search(text):
                texts.append(Text(file, line, text, line in bugs))
    return texts


def _bug_lines(tree: ast.AST) -> set[int]:
    """The lines of `raise RuntimeError(…)`."""
    return {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
        if ast.unparse(node.exc.func) == "RuntimeError"
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


def _strings(node: ast.AST, is_spoken: bool) -> Iterator[tuple[int, str, bool]]:
    """The strings below a node, but for docstrings and help texts; a string with holes is one string."""
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func).rpartition(".")[2]
        if name in {"Flag", "compile", "fullmatch", "search", "cast", "TypeVar"}:
            return
        is_spoken = is_spoken or name in SPEAKING or name.endswith("Error")
    if isinstance(node, ast.Raise):
        is_spoken = True
    text = _text(node)
    if text is not None:
        yield node.lineno, text, is_spoken  # type: ignore[attr-defined]
        return
    if isinstance(node, ast.JoinedStr):
        yield node.lineno, "".join(_piece(value) for value in node.values), is_spoken
        holes = [value.value for value in node.values if isinstance(value, ast.FormattedValue)]
        for hole in holes:
            if _choice(hole) is None:
                yield from _strings(hole, is_spoken)
        return
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.Expr) and _text(child.value) is not None):
            yield from _strings(child, is_spoken)


def _text(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _choice(node: ast.AST) -> str | None:
    """`a / b` for an expression that is one string or another."""
    if not isinstance(node, ast.IfExp):
        return None
    one, other = _text(node.body), _text(node.orelse)
    return None if one is None or other is None else " / ".join(filter(None, [one, other]))


def _piece(value: ast.expr) -> str:
    if isinstance(value, ast.FormattedValue):
        return "{" + (_choice(value.value) or "…") + "}"
    return _text(value) or ""


def flags() -> dict[str, list[tuple[str, Flag]]]:
    """The flags by the first line of the class that defines them; a flag with one text comes once."""
    groups: dict[str, list[tuple[str, Flag]]] = {}
    seen = set()
    for command in COMMANDS:
        settings = get_type_hints(COMMANDS.load(command))["settings"]
        by_name = {field.name: field for field in fields_of(settings)}
        for group in reversed(settings.__mro__):
            title = (group.__doc__ or "").partition("\n")[0]
            for name in inspect.get_annotations(group):
                field = by_name.get(name)
                if field is not None and (field.option, field.flag.help) not in seen:
                    seen.add((field.option, field.flag.help))
                    groups.setdefault(title, []).append((field.option, field.flag))
    return groups


def _values(flag: Flag) -> str:
    """The choices of a flag, as --help shows them after its name."""
    return "" if flag.choices is None else " " + "|".join(flag.choices)


def command_helps() -> dict[str, str]:
    """The help text of each command, as --help prints it before the flags."""
    return {name: inspect.cleandoc(COMMANDS.load(name).__doc__ or "").replace("\b\n", "") for name in COMMANDS}


def entries() -> dict[str, dict[str, str]]:
    """The tables that help texts list, by their kind, with the line that describes each entry."""
    tables = {}
    for group in flags().values():
        for _, flag in group:
            if isinstance(flag.choices, Table):
                tables[flag.choices.kind] = {name: flag.choices.summary(name) for name in flag.choices}
    return tables


def text() -> str:
    """All of words.txt."""
    lines = ["# Every help text and message of sft; made by `make docs`, see style.md. {…} is a value.", ""]
    lines += ["# Commands"]
    for name, help_text in command_helps().items():
        lines += ["", f"## sft {name}", "", help_text]
    lines += ["", "# Flags"]
    for title, group in flags().items():
        lines += ["", f"## {title}", "", *(f"{option}{_values(flag)}: {flag.help}" for option, flag in group)]
    lines += ["", "# Messages: errors, hints, notes, warnings"]
    seen: set[str] = set()
    room = ""
    for entry in sorted(messages(), key=lambda entry: entry.is_bug):
        parts = [part.strip() for part in entry.text.split("\n")]
        new = [part for part in parts if part not in seen and re.search(r"[^\W\d_]{2,}", part.replace("{…}", ""))]
        seen.update(new)
        title = "bugs: sft also asks the user to report them" if entry.is_bug else entry.room
        if new and title != room:
            room = title
            lines += ["", f"## {room}", ""]
        lines += new
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(FILE.read_text(encoding="utf-8") != text())
    FILE.write_text(text(), encoding="utf-8")
