"""Tables that list what exists: reading one imports nothing, loading an entry imports that entry."""

from __future__ import annotations

import difflib
import importlib.util
import re
from pathlib import Path
from typing import Any

from sft_cli.run.errors import UserError


def near_name(name: str, known: list[str]) -> str:
    """` Did you mean "x"?` for the nearest known name, whatever its case and hyphens are, or an empty string."""
    plain: dict[str, str] = {}
    for each in known:
        plain.setdefault(_plain(each), each)
    near = [*filter(None, [plain.get(_plain(name))]), *difflib.get_close_matches(name, known, n=1)]
    near += [plain[each] for each in difflib.get_close_matches(_plain(name), list(plain), n=1)]
    return f" Did you mean {near[0]!r}?" if near else ""


def _plain(name: str) -> str:
    """A name as people write it from memory: `rougeL` is `rouge-l`."""
    return re.sub(r"[-_. ]", "", name.casefold())


class Table(dict[str, str]):
    """Maps a name to `"module:attribute"`."""

    def __init__(self, kind: str, entries: dict[str, str]) -> None:
        super().__init__(entries)
        self.kind = kind

    def check(self, name: str, flag: str = "") -> str:
        """Give back a known name; raise UserError that names the flag and the nearest match otherwise."""
        if name not in self:
            where = f"{flag}: " if flag else ""
            raise UserError(
                f"{where}unknown {self.kind} {name!r}.{near_name(name, list(self))} Known: {', '.join(self)}"
            )
        return name

    def load(self, name: str) -> Any:
        """Import and return the entry; raise UserError for an unknown name."""
        module, _, attribute = self[self.check(name)].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def summary(self, name: str) -> str:
        """First line of the entry's docstring, read from its source without importing it."""
        import ast

        module, _, attribute = self[self.check(name)].partition(":")
        source = importlib.util.find_spec(module)
        tree = ast.parse(Path(source.origin if source and source.origin else "").read_bytes())
        found = next(node for node in tree.body if getattr(node, "name", None) == attribute)
        return (ast.get_docstring(found) or "").partition("\n")[0]  # type: ignore[arg-type]
