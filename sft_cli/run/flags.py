"""A command's settings are a dataclass whose fields are its flags, its config keys and its manifest entries.

A field is written `name: Annotated[type, Flag("help …")] = default`; `sft_cli.cli` turns it into `--name`.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from sft_cli.run.errors import UserError
from sft_cli.run.jsonl import MOST_LINE_BYTES
from sft_cli.run.patterns import matching
from sft_cli.run.registry import Table, known_name, near_name, spelled

HUB = "hf:"  # begins the name of a data set of the hub


@dataclass(frozen=True)
class Flag:
    """The flag of a settings field: its help text and its limits."""

    help: str
    short: str = ""  # "-o"
    positional: bool = False
    choices: Table | tuple[str, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None  # exclusive lower bound
    metavar: str = ""
    reads: bool = False  # names a file, a directory or a model: its content, not its path, enters the fingerprint
    joined: str = ""  # with reads: the separator between several paths in one value
    suffix: str = ""  # with reads: a value with another ending is a name, also if such a file or directory exists
    names: tuple[str, ...] = ()  # with reads: values that name something built in, unless such a file exists
    may_be_new: bool = False  # with reads: the command can make it, so it need not exist
    is_model: bool = False  # with reads: a model, which may have a name instead of a path
    may_be_pattern: bool = False  # with reads, of a list: 'data/*.jsonl' means all files that match it
    neutral: bool = False  # cannot change the result: is not in the fingerprint
    group: str = ""  # the group of help that shows it (`groups.py`), where that is not its class's own
    is_usual: bool = False  # one of the flags that most runs need: a long help shows these first
    starts: str = ""  # "module:names" of the names that a value starts with, where more may follow: `rouge-l:beta=1.2`

    def check(self, name: str, value: Any) -> Any:
        """Return the value, its names spelled as their table spells them.

        Raises UserError, naming the flag, if it is not one of the choices or is out of range.
        """
        if isinstance(value, (list, tuple)):
            checked = [self._checked(name, item) for item in value]
            return type(value)(each for item in checked for each in (matching(item) if self.may_be_pattern else [item]))
        return self._checked(name, value)

    def _checked(self, name: str, item: Any) -> Any:
        if item is None:
            return None
        if self.minimum is not None and item < self.minimum:
            raise UserError(f"{name}: expected at least {self.minimum:g}, got {item!r}")
        if self.maximum is not None and item > self.maximum:
            raise UserError(f"{name}: expected at most {self.maximum:g}, got {item!r}")
        if self.above is not None and item <= self.above:
            raise UserError(f"{name}: expected more than {self.above:g}, got {item!r}")
        if self.starts:
            return spelled(item, self.known_names())
        if self.names and not Path(item).exists():
            return known_name(item, self.names) or item
        if isinstance(self.choices, Table):
            return self.choices.check(item, name)
        if self.choices is not None:
            known = known_name(item, self.choices)
            if known is None:
                hint = near_name(item, list(self.choices))
                raise UserError(f"{name}: expected one of {', '.join(self.choices)}, got {item!r}.{hint}")
            return known
        return item

    def known_names(self) -> list[str]:
        """The names that a value can be, or can start with; none for a value of another kind."""
        if self.starts:
            module, _, names = self.starts.partition(":")
            return list(getattr(importlib.import_module(module), names))
        return list(self.names or self.choices or ())


@dataclass(frozen=True, kw_only=True)
class Common:
    """The flags that every command has."""

    group: ClassVar[str] = "Common"
    prints_path: ClassVar[bool] = False  # whether the command prints the path of --out, the directory that it made

    out: Annotated[
        str, Flag("where to write the result; - is stdout", short="-o", neutral=True, metavar="PATH", is_usual=True)
    ] = "-"
    limit: Annotated[int | None, Flag("read at most N rows", short="-n", minimum=0, metavar="N", is_usual=True)] = None
    max_line_bytes: Annotated[
        int, Flag("longest line, or record of a JSON file, in bytes; a longer one is a bad row", minimum=1, metavar="N")
    ] = MOST_LINE_BYTES
    config: Annotated[
        str | None,
        Flag("TOML file with a section for each command", short="-c", neutral=True, metavar="FILE", is_usual=True),
    ] = None
    print_config: Annotated[bool, Flag("print all settings as TOML and stop", neutral=True)] = False
    force: Annotated[bool, Flag("replace an existing output", neutral=True, is_usual=True)] = False
    skip_if_current: Annotated[
        bool,
        Flag("do nothing if the output was made from the same inputs and settings", neutral=True),
    ] = False
    manifest: Annotated[str | None, Flag("also write the manifest to this file", neutral=True, metavar="FILE")] = None
    quiet: Annotated[bool, Flag("print no progress and no summary", short="-q", neutral=True)] = False


@dataclass(frozen=True, kw_only=True)
class ReadsRows:
    """The flags of commands that read rows: what to do with a bad one."""

    group: ClassVar[str] = "Data"

    on_error: Annotated[
        str, Flag("at a bad row: stop the command, or skip the row and count it", choices=("stop", "skip"))
    ] = "stop"
    rejects: Annotated[
        str | None,
        Flag("write bad rows and their errors to this file; implies --on-error skip", metavar="FILE", neutral=True),
    ] = None


DTYPE_HELP = "number format of matrix products; auto is bfloat16, or float32 on a processor without bfloat16"


@dataclass(frozen=True, kw_only=True)
class UsesDevice:
    """The flags of commands that compute with a model: where, and in which format."""

    group: ClassVar[str] = "Devices"

    dtype: Annotated[str, Flag(DTYPE_HELP, choices=("auto", "float32", "bfloat16"))] = "auto"
    device: Annotated[str, Flag("where the model runs: auto, cpu, cuda, cuda:1 or mps", neutral=True)] = "auto"
    threads: Annotated[
        int | None, Flag("number of CPU threads [default: all that the process may use]", minimum=1, neutral=True)
    ] = None


@dataclass(frozen=True, kw_only=True)
class RunsModel(UsesDevice):
    """The flags of commands that run a language model: with which chat template, and where."""

    group: ClassVar[str] = "Devices"

    chat_template: Annotated[
        str | None,
        Flag(
            "replace the tokenizer's chat template: a Jinja file, hermes-tools (ChatML with tools) or think "
            "(also with thoughts)",
            reads=True,
            names=("hermes-tools", "think"),
            metavar="FILE",
            group="Model and adapter",
        ),
    ] = None
    special_tokens_in_text: Annotated[
        bool,
        Flag(
            "encode strings such as <|im_end|> in raw text as special tokens; in messages they are always plain text",
            group="Model and adapter",
        ),
    ] = False
    dry_run: Annotated[bool, Flag("print the plan and stop", neutral=True, is_usual=True, group="Common")] = False


@dataclass(frozen=True)
class Field:
    """One settings field, resolved: its name, its type without None, its flag."""

    name: str
    type: Any
    is_optional: bool
    default: Any
    flag: Flag
    group: str

    def reads(self, value: Any) -> bool:
        """Whether a value of this field names a file, a directory or a model; its suffix may say that it does not."""
        is_name = isinstance(value, str) and not value.endswith(self.flag.suffix)
        return self.flag.reads and not is_name

    def paths(self, value: str) -> list[str]:
        """The paths in one value of a field that reads: the value, or its parts if the flag joins several paths."""
        return value.split(self.flag.joined) if self.flag.joined and not Path(value).exists() else [value]

    def check_files(self, value: Any) -> None:
        """Raise UserError if a file that a value names does not exist. Models may have other names."""
        if self.flag.is_model or self.flag.may_be_new or not value:
            return
        for item in value if isinstance(value, (list, tuple)) else [value]:
            for path in self.paths(item) if self.reads(item) else []:
                is_name = path == "-" or path.startswith(HUB) or path in self.flag.names
                if not is_name and not Path(path).exists():
                    where = "" if self.flag.positional else f"{self.option}: "
                    raise UserError(f"{where}{path}: cannot read: No such file or directory")

    @property
    def option(self) -> str:
        """The flag as it is typed: `--learning-rate`, or `DATA` for a positional argument."""
        return self.name.upper() if self.flag.positional else "--" + self.name.replace("_", "-")

    @property
    def negation(self) -> str:
        """The flag that switches it off: `--no-token-cache`; none for what is off by default."""
        return f"--no-{self.option[2:]}" if self.type is bool and self.default is True else ""

    @property
    def is_required(self) -> bool:
        """Whether the command needs a value."""
        return self.default is dataclasses.MISSING


def fields_of(settings: type) -> list[Field]:
    """The fields of a settings dataclass, positional ones first, in the order of their definition."""
    hints = typing.get_type_hints(settings, include_extras=True)
    groups = _groups_of(settings)
    fields = []
    for field in dataclasses.fields(settings):
        kind, flag = typing.get_args(hints[field.name])[:2]
        parts = [part for part in typing.get_args(kind) if part is not type(None)]
        is_optional = type(None) in typing.get_args(kind)
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        group = flag.group or groups[field.name]
        fields.append(Field(field.name, parts[0] if is_optional else kind, is_optional, default, flag, group))
    # The flags that every command shares come last in --help.
    shared = {field.name for base in (RunsModel, ReadsRows, Common) for field in dataclasses.fields(base)}
    return sorted(fields, key=lambda field: (not field.flag.positional, field.name in shared))


def _groups_of(settings: type) -> dict[str, str]:
    """The group of each field: what the class that declares it calls its `group`, in its own body."""
    groups: dict[str, str] = {}
    for owner in reversed(settings.__mro__):
        groups |= dict.fromkeys(inspect.get_annotations(owner), owner.__dict__.get("group", ""))
    return groups
