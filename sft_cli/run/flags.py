"""A command's settings are a dataclass whose fields are its flags, its config keys and its manifest entries.

A field is written `name: Annotated[type, Flag("help …")] = default`; `sft_cli.cli` turns it into `--name`.
"""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from sft_cli.run.errors import UserError
from sft_cli.run.jsonl import MOST_LINE_BYTES
from sft_cli.run.registry import Table, near_name

HUB = "hf:"  # begins the name of a data set of the hub


@dataclass(frozen=True)
class Flag:
    """What a settings field says of itself."""

    help: str
    short: str = ""  # "-o"
    positional: bool = False
    choices: Table | tuple[str, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None  # exclusive lower bound
    metavar: str = ""
    reads: bool = False  # names a file, a directory or a model: its content, not its path, enters the fingerprint
    joined: str = ""  # with reads: what stands between several paths in one value
    suffix: str = ""  # with reads: what ends otherwise is a name, even where a file or directory is called so
    names: tuple[str, ...] = ()  # with reads: values that name something built-in, unless there is such a file
    is_model: bool = False  # with reads: a model, which may be known by a name alone
    neutral: bool = False  # cannot change the result: stays out of the fingerprint

    def check(self, name: str, value: Any) -> None:
        """Raise UserError, naming the flag, if `value` is not one of the choices or is out of range."""
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if item is None:
                continue
            if isinstance(self.choices, Table):
                self.choices.check(item, name)
            elif self.choices is not None and item not in self.choices:
                hint = near_name(item, list(self.choices))
                raise UserError(f"{name}: expected one of {', '.join(self.choices)}, got {item!r}.{hint}")
            if self.minimum is not None and item < self.minimum:
                raise UserError(f"{name}: expected at least {self.minimum:g}, got {item!r}")
            if self.maximum is not None and item > self.maximum:
                raise UserError(f"{name}: expected at most {self.maximum:g}, got {item!r}")
            if self.above is not None and item <= self.above:
                raise UserError(f"{name}: expected more than {self.above:g}, got {item!r}")


@dataclass(frozen=True, kw_only=True)
class Common:
    """The flags that every command has."""

    prints_path: ClassVar[bool] = False  # whether what the command prints is --out, the directory that it has made

    out: Annotated[str, Flag("where the result goes; - is stdout", short="-o", neutral=True, metavar="PATH")] = "-"
    limit: Annotated[int | None, Flag("read at most this many rows", short="-n", minimum=0, metavar="N")] = None
    max_line_bytes: Annotated[
        int, Flag("a longer line, or record of a JSON file, is a bad row and is not read", minimum=1, metavar="N")
    ] = MOST_LINE_BYTES
    config: Annotated[
        str | None, Flag("TOML file with a section per command", short="-c", neutral=True, metavar="FILE")
    ] = None
    print_config: Annotated[bool, Flag("print the resolved settings as TOML and stop", neutral=True)] = False
    force: Annotated[bool, Flag("replace an existing output", neutral=True)] = False
    skip_if_current: Annotated[
        bool,
        Flag("do nothing if the output was made from the same inputs and settings; else make it again", neutral=True),
    ] = False
    manifest: Annotated[str | None, Flag("also write the manifest here", neutral=True, metavar="FILE")] = None
    quiet: Annotated[bool, Flag("no progress and no summary on stderr", short="-q", neutral=True)] = False


@dataclass(frozen=True, kw_only=True)
class ReadsRows:
    """The flags of commands that read rows: what to do with a bad one."""

    on_error: Annotated[
        str, Flag("a bad row stops the command, or is skipped and counted", choices=("stop", "skip"))
    ] = "stop"
    rejects: Annotated[
        str | None, Flag("write bad rows here, with the reason; implies --on-error skip", metavar="FILE", neutral=True)
    ] = None


DTYPE_HELP = "number format of matrix products; without bfloat16 instructions always float32"


@dataclass(frozen=True, kw_only=True)
class RunsModel:
    """The flags of commands that run a model: where, in which format, with which template."""

    dtype: Annotated[str, Flag(DTYPE_HELP, choices=("auto", "float32", "bfloat16"))] = "auto"
    device: Annotated[str, Flag("auto, cpu, cuda, cuda:1, mps", neutral=True)] = "auto"
    threads: Annotated[int | None, Flag("CPU threads; all that are allowed if not given", minimum=1, neutral=True)] = (
        None
    )
    chat_template: Annotated[
        str | None,
        Flag(
            "replaces the tokenizer's chat template: a Jinja file, or hermes-tools or think (ChatML with tools; with "
            "thoughts, too)",
            reads=True,
            names=("hermes-tools", "think"),
            metavar="FILE",
        ),
    ] = None
    special_tokens_in_text: Annotated[
        bool, Flag("names of special tokens in raw text are the tokens, not letters (messages never hold any)")
    ] = False
    dry_run: Annotated[bool, Flag("print what would be done, and stop", neutral=True)] = False


@dataclass(frozen=True)
class Field:
    """One settings field, resolved: its name, its type without None, its flag."""

    name: str
    type: Any
    is_optional: bool
    default: Any
    flag: Flag

    def reads(self, value: Any) -> bool:
        """Whether a value of this field names files, directories or models, and not something else by its suffix."""
        is_name = isinstance(value, str) and not value.endswith(self.flag.suffix)
        return self.flag.reads and not is_name

    def paths(self, value: str) -> list[str]:
        """The paths in one value of a field that reads: itself, or its parts if the flag takes several joined."""
        return value.split(self.flag.joined) if self.flag.joined and not Path(value).exists() else [value]

    def check_files(self, value: Any) -> None:
        """Raise UserError for a file that a value names and that is not there. Models may have other names."""
        if self.flag.is_model or not value:
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


def fields_of(settings: type) -> list[Field]:
    """The fields of a settings dataclass, positional ones first, in the order of their definition."""
    hints = typing.get_type_hints(settings, include_extras=True)
    found = []
    for field in dataclasses.fields(settings):
        kind, flag = typing.get_args(hints[field.name])[:2]
        parts = [part for part in typing.get_args(kind) if part is not type(None)]
        is_optional = type(None) in typing.get_args(kind)
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        found.append(Field(field.name, parts[0] if is_optional else kind, is_optional, default, flag))
    # The flags that every command shares come last in --help.
    shared = {field.name for base in (RunsModel, ReadsRows, Common) for field in dataclasses.fields(base)}
    return sorted(found, key=lambda field: (not field.flag.positional, field.name in shared))
