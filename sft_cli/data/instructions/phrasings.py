"""Templates with several phrasings, of which each record gets one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from sft_cli.data.instructions import TABLE_TEMPLATES
from sft_cli.data.jinja import TextTemplate, read_template
from sft_cli.data.language import LANGUAGES, language_of
from sft_cli.run.errors import UserError
from sft_cli.run.registry import near_name
from sft_cli.run.seed import stable_hash

TABLE_FOLDER, TABLE_SUFFIX = Path(__file__).parent, ".j2"
ANSWER, SYSTEM = "answer", "system"  # what a template can set, beside the question that it writes
BETWEEN = re.compile(r"^---[ \t]*\r?\n", re.MULTILINE)
WRITES_QUESTIONS = "questions"  # the template of --ask-questions


class Phrasing(NamedTuple):
    """One way to ask: its name, as the row's field `template` has it, and its template."""

    name: str
    template: TextTemplate

    def place(self, line: int) -> str:
        """A line of the template, as a message names it."""
        is_built_in = self.template.path.parent == TABLE_FOLDER
        return self.name if is_built_in else f"{self.template.path}:{line}"

    @property
    def sets_answer(self) -> bool:
        """Whether the template writes the answer too."""
        return ANSWER in self.template.sets


@dataclass(frozen=True)
class Phrasings:
    """All phrasings of the templates of --template, for each language."""

    by_language: dict[str, list[Phrasing]]

    @classmethod
    def of(cls, names: Sequence[str]) -> Phrasings:
        """Open the templates. Raises UserError for an unknown name, a bad file, or a template without a field."""
        pools: dict[str, list[Phrasing]] = {language: [] for language in LANGUAGES}
        for name in names:
            for language, phrasings in _opened(name).items():
                pools[language] += phrasings
        every = [phrasing for pool in pools.values() for phrasing in pool]
        if len({phrasing.sets_answer for phrasing in every}) > 1:
            raise UserError("--template: expected all phrasings or none to set the answer, got both kinds")
        return cls(pools)

    @cached_property
    def sets_answer(self) -> bool:
        """Whether the templates write the answers too."""
        return any(phrasing.sets_answer for pool in self.by_language.values() for phrasing in pool)

    @cached_property
    def fields(self) -> dict[str, frozenset[str]]:
        """The names that the phrasings of each language use: fields of records, and values that are offered."""
        return {language: _all_names(p.template.used for p in pool) for language, pool in self.by_language.items()}

    @cached_property
    def all_fields(self) -> frozenset[str]:
        """The names that any phrasing uses."""
        return _all_names(self.fields.values())

    @cached_property
    def asked_fields(self) -> dict[str, str]:
        """The names that a question uses, each with the place in a template: `file:line`."""
        return {
            name: phrasing.place(phrasing.template.used[name])
            for pool in self.by_language.values()
            for phrasing in pool
            for name in sorted(phrasing.template.used_outside(ANSWER))
        }

    def language(self, record: dict[str, Any]) -> str:
        """The language of the values that the templates use."""
        return language_of(" ".join(str(record[name]) for name in sorted(self.all_fields) if name in record))

    def draw(self, record: dict[str, Any], answer: Sequence[str], seed: int) -> Phrasing:
        """The phrasing of a record: it depends on the fields that the templates use, the answer fields and the seed."""
        pool = self.by_language[self.language(record)]
        if len(pool) == 1:
            return pool[0]
        names = sorted({*self.all_fields, *answer} & record.keys())
        content = [[name, record[name]] for name in names]
        return pool[stable_hash("template", seed, content) % len(pool)]


def _all_names(groups: Iterable[Iterable[str]]) -> frozenset[str]:
    return frozenset(name for group in groups for name in group)


def _opened(choice: str) -> dict[str, list[Phrasing]]:
    if choice.endswith(TABLE_SUFFIX):
        return dict.fromkeys(LANGUAGES, _phrasings(Path(choice), choice))
    name, dot, language = choice.partition(".")
    if name not in (*TABLE_TEMPLATES, WRITES_QUESTIONS) or (dot and language not in LANGUAGES):
        known = f"{near_name(name, list(TABLE_TEMPLATES))} Known: {', '.join(TABLE_TEMPLATES)}"
        ending = f", each also with .{' or .'.join(LANGUAGES)}"
        raise UserError(
            f"--template: unknown template {choice!r}.{known}{ending}\n"
            f"hint: names of template files end in {TABLE_SUFFIX}"
        )
    paths = {each: TABLE_FOLDER / f"{name}.{language or each}{TABLE_SUFFIX}" for each in LANGUAGES}
    return {each: _phrasings(path, f"{name}.{language or each}") for each, path in paths.items()}


def _phrasings(path: Path, name: str) -> list[Phrasing]:
    """The phrasings of a file; raises UserError for one without words or without a field of a record."""
    text = read_template(path, "--template")
    starts = [0, *(match.end() for match in BETWEEN.finditer(text))]
    ends = [*(match.start() for match in BETWEEN.finditer(text)), len(text)]
    found: list[Phrasing] = []
    for number, (start, end) in enumerate(zip(starts, ends, strict=True), 1):
        line = text.count("\n", 0, start)
        # Empty lines before a phrasing: the lines of its errors are those of the file.
        template = TextTemplate(path, "--template", "\n" * line + text[start:end])
        if not template.used_outside(ANSWER):
            raise UserError(f"{path}:{line + 1}: expected {{{{ NAME }}}} with a field of the records, got none")
        found.append(Phrasing(f"{name}#{number}" if len(starts) > 1 else name, template))
    return found
