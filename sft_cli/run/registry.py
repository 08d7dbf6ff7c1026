"""Tables of what exists: to read a table imports nothing, to load an entry imports only that entry."""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sft_cli.run.errors import UserError


def fold(name: str) -> str:
    """A name without case, hyphens, underscores, dots and spaces: `rougeL`, `ROUGE_L` and `rouge-l` are equal then."""
    return re.sub(r"[-_. ]", "", name.casefold())


def known_name(name: str, known: Iterable[str]) -> str | None:
    """The known name that is meant: `name` itself, or the only one that folds to the same; None if there is none."""
    names = list(known)
    if name in names:
        return name
    alike = [each for each in names if fold(each) == fold(name)]
    return alike[0] if len(alike) == 1 else None


def spelled(item: str, known: Iterable[str]) -> str:
    """A value that starts with a name, with the name as it is known; what follows `:` or `=` is not changed.

    A rank after the name is an option: `nDCG@10` is `ndcg:k=10`, and `recall@10` is `recall-at-k:k=10`. An unknown
    name is returned as it is.
    """
    names = list(known)
    start = re.split("[:=]", item, maxsplit=1)[0]
    rest = item[len(start) :]
    if at_rank := re.fullmatch("(.+)@([^@]+)", start):
        name = known_name(at_rank[1], names) or known_name(f"{at_rank[1]}-at-k", names)
        return f"{name}:k={at_rank[2]}{rest}" if name else item
    return (known_name(start, names) or start) + rest


def near_name(name: str, known: list[str]) -> str:
    """` Did you mean "x"?` for the nearest known name, without regard to case and hyphens, or an empty string."""
    plain: dict[str, str] = {}
    for each in known:
        plain.setdefault(fold(each), each)
    near = [plain[each] for each in difflib.get_close_matches(fold(name), list(plain), n=1)]
    near += difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


class Table(dict[str, str]):
    """Maps a name to `"module:attribute"`."""

    def __init__(self, kind: str, entries: dict[str, str]) -> None:
        super().__init__(entries)
        self.kind = kind

    def check(self, name: str, flag: str = "") -> str:
        """Return a name that somebody typed as the table spells it: `rougeL` is `rouge-l`.

        Raises UserError that names the flag and the nearest match for an unknown one.
        """
        known = known_name(name, self)
        if known is None:
            raise self._unknown(name, flag)
        return known

    def load(self, name: str) -> Any:
        """Import and return the entry; raise UserError for a name that the table does not spell so."""
        module, _, attribute = self._entry(name).partition(":")
        return getattr(importlib.import_module(module), attribute)

    def summary(self, name: str) -> str:
        """First line of the entry's docstring, read from its source without importing it."""
        import ast

        module, _, attribute = self._entry(name).partition(":")
        source = importlib.util.find_spec(module)
        tree = ast.parse(Path(source.origin if source and source.origin else "").read_bytes())
        definition = next(node for node in tree.body if getattr(node, "name", None) == attribute)
        return (ast.get_docstring(definition) or "").partition("\n")[0]  # type: ignore[arg-type]

    def _entry(self, name: str) -> str:
        if name not in self:
            raise self._unknown(name)
        return self[name]

    def _unknown(self, name: str, flag: str = "") -> UserError:
        where = f"{flag}: " if flag else ""
        return UserError(f"{where}unknown {self.kind} {name!r}.{near_name(name, list(self))} Known: {', '.join(self)}")
