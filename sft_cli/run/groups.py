"""The groups of flags that `--help` shows, and the flags on each of its pages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sft_cli.run.errors import UserError
from sft_cli.run.flags import Field
from sft_cli.run.registry import fold, near_name
from sft_cli.run.text import counted, shorten

# Every group, in the order of the pages, with the subject of its flags. A settings class names the group of its flags;
# a flag that belongs to another group names that one.
GROUPS = {
    "Data": "input files, and the order of the rows",
    "Tables and documents": "questions from the fields of tables, passages of documents",
    "Corpus": "documents to search, and their index",
    "Retrieval": "what to search for, and how much to add",
    "Benchmarks and judges": "questions of benchmarks, prompts for a judge",
    "Rows": "fields of each row, parts of the output",
    "Cleaning": "rows to drop or change, duplicates, rows of tests",
    "Choice of rows": "how many rows to keep, and which",
    "Statistics": "what rows look like, and what that means for training",
    "Synthesis": "rows that a model writes",
    "Model and adapter": "model, chat template, trained weights",
    "Distillation": "teacher, and the weight of its loss",
    "Loss": "loss function and weights of tokens",
    "Optimizer and schedule": "steps, batch size, learning rate, optimizer",
    "Not forgetting": "how to keep old tasks",
    "Evaluation": "held-out rows, best weights, early stopping",
    "Saving and resuming": "states, number format, trackers",
    "Engine": "this process, vLLM or a server",
    "Decoding": "length, sampling, beams",
    "Penalties and constraints": "text that a completion must or must not have",
    "Answers": "several samples, and the answer in each",
    "Log-probabilities": "of references, choices or raw text",
    "Verification": "claims of answers, and what to do with bad answers",
    "Verifier model": "a model that reads claims and evidence, and its thresholds",
    "Knowledge graph": "known facts as triples, names of entities, patterns of sentences",
    "Scoring": "metrics, groups of rows, intervals",
    "Harness": "tasks of lm-evaluation-harness",
    "Comparison": "metrics, intervals, form of the report",
    "Rows and page": "rows with their texts, an HTML page with charts",
    "Explanation": "what rows that became worse share, what to try",
    "Human judgement": "a blind page for raters, and what their ratings say",
    "Forgetting": "models after each task of a sequence",
    "Gate": "when to exit with code 1",
    "Devices": "processors, memory, number format",
    "Common": "output, config file, flags of every command",
}
FIRST, ALL = "", "all"  # the pages that are not a group
MOST_ON_ONE_PAGE = 40  # a command with more flags shows the most used ones first
WIDEST = 30  # characters of the column of flags


@dataclass(frozen=True)
class HelpPages:
    """The pages of a command's help. `extends` names a command whose flags it also has, beside those of `own_group`."""

    command: str
    fields: list[Field]
    own_group: str = ""
    extends: str = ""

    @cached_property
    def groups(self) -> dict[str, list[Field]]:
        """The command's flags by group, in the order of the pages."""
        members = {name: [field for field in self.fields if field.group == name] for name in GROUPS}
        return {name: fields for name, fields in members.items() if fields}

    @property
    def is_short(self) -> bool:
        """Whether one page shows all flags."""
        return len(self.fields) <= MOST_ON_ONE_PAGE

    def find(self, asked: str) -> str:
        """The page that `--help WORDS` asks for: a group, by the start of its name or of a word in its name.

        Raises UserError, naming the groups, if no group or more than one group starts so.
        """
        wanted, names = fold(asked), list(self.groups)
        if wanted in (FIRST, ALL):
            return wanted
        words = {name: [name, *(word for word in name.split() if word != "and")] for name in names}
        exact = [name for name in names if fold(name) == wanted]
        meant = exact or [name for name in names if any(fold(word).startswith(wanted) for word in words[name])]
        if len(meant) == 1:
            return meant[0]
        if meant:
            raise UserError(f"--help: {asked!r} is not clear: it can be {' or '.join(meant)}")
        near = near_name(asked, [word for each in words.values() for word in each])
        raise UserError(f"--help: unknown group {asked!r}.{near} Known: {', '.join(names)}")

    def sections(self, page: str) -> dict[str, list[Field]]:
        """The flags that a page shows, by heading."""
        if page in self.groups:
            return {page: self.groups[page]}
        if page == ALL or self.is_short:
            return self.groups
        if self.extends:
            own = self.groups[self.own_group]
            needed = [each for each in self.fields if each.flag.positional or each.is_required]
            return {"Needed": [each for each in needed if each not in own], self.own_group: own}
        return {"Most used": [each for fields in self.groups.values() for each in fields if each.flag.is_usual]}

    def text(self, command: Any, ctx: Any, page: str) -> str:
        """A page, written by typer's formatter. The page of a group has no text but its flags.

        `command` and `ctx` are typer's; the command's parameters say what is written of each flag.
        """
        formatter = ctx.make_formatter()
        command.format_usage(ctx, formatter)
        if page not in self.groups:
            command.format_help_text(ctx, formatter)
        self._write_flags(formatter, {each.name: each.get_help_record(ctx) for each in command.params}, page)
        if page not in self.groups:
            command.format_epilog(ctx, formatter)
        return str(formatter.getvalue()).rstrip("\n")

    def _write_flags(self, formatter: Any, records: dict[str, tuple[str, str]], page: str) -> None:
        sections = {name: [_row(each, records) for each in fields] for name, fields in self.sections(page).items()}
        if page not in self.groups:
            sections["Help"] = self._help_rows()
        if page == FIRST and not self.is_short:
            sections["Groups of flags"] = [
                (name, f"{counted(len(fields), 'flag')}: {GROUPS[name]}") for name, fields in self.groups.items()
            ]
        width = min(WIDEST, max(len(first) for rows in sections.values() for first, _ in rows))
        for name, ((first, second), *rest) in sections.items():
            with formatter.section(name):
                formatter.write_dl([(first.ljust(width), second), *rest], col_max=WIDEST)  # one width in all sections
        if self.extends and page == FIRST:
            note = (
                f"All flags of `sft {self.extends}` work here and have the same meaning: `sft {self.extends} --help`."
            )
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(note)

    def _help_rows(self) -> list[tuple[str, str]]:
        example = next(iter(self.groups)).split()[0].lower()
        everything = [] if self.is_short else [("--help-all", f"show all {len(self.fields)} flags")]
        first = "show all flags" if self.is_short else "show the short help"
        return [("-h, --help [GROUP]", f"{first}, or the flags of a group: --help {example}"), *everything]


def _row(field: Field, records: dict[str, tuple[str, str]]) -> tuple[str, str]:
    """Both columns of a flag; those of a positional argument have its name, without a type."""
    first, second = records[field.name]
    return (
        (field.flag.metavar + "..." * (field.type == list[str]), second) if field.flag.positional else (first, second)
    )


def short_help(text: str | None) -> str:
    """A help text as a shell shows it: one short line without brackets, which typer reads as markup."""
    return shorten((text or "").replace("[", "(").replace("]", ")"), 70)
