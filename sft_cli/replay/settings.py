"""The flags of `replay-build`, and the checks of their combinations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from sft_cli.replay import SELECTOR_FLAGS, SELECTORS
from sft_cli.replay.budget import Budget
from sft_cli.replay.synthesis.settings import SynthesisSettings
from sft_cli.run.errors import UserError
from sft_cli.run.flags import Common, Flag, ReadsRows, RunsModel, fields_of
from sft_cli.run.named import parse_numbers

CLUSTERS = 20  # as in SSR


@dataclass(frozen=True, kw_only=True)
class SelectSettings:
    """How many rows are kept, and which."""

    group: ClassVar[str] = "Choice of rows"

    old: Annotated[
        list[str],
        Flag(
            "files of old rows, as sft prep writes them; - is stdin",
            positional=True,
            reads=True,
            metavar="OLD",
            group="Data",
        ),
    ] = field(default_factory=lambda: ["-"])
    rows: Annotated[int | None, Flag("number of rows to keep", minimum=1, metavar="N")] = None
    tokens: Annotated[int | None, Flag("largest number of tokens to keep; needs --model", minimum=1, metavar="N")] = (
        None
    )
    fraction: Annotated[float | None, Flag("share of all rows to keep", above=0, maximum=1, metavar="F")] = None
    per_task: Annotated[
        list[str],
        Flag(
            "number of rows of a task to keep; repeatable; tasks without a number share the rest of --rows "
            "or --fraction",
            metavar="NAME=ROWS",
        ),
    ] = field(default_factory=list)
    share: Annotated[
        str,
        Flag(
            "how the rows are divided among tasks: equal numbers, or in proportion to their sizes",
            choices=("equal", "proportional"),
        ),
    ] = "equal"
    select: Annotated[
        str | None, Flag("how to choose rows (default: reservoir; k-means with --synthesize)", choices=SELECTORS)
    ] = None
    model: Annotated[
        str | None,
        Flag(
            "model that embeds rows or computes their loss for --select; its tokenizer counts the tokens of --tokens",
            reads=True,
            is_model=True,
            group="Model and adapter",
        ),
    ] = None
    clusters: Annotated[
        int | None, Flag(f"with --select k-means: number of clusters for each task [default: {CLUSTERS}]", minimum=1)
    ] = None
    nearest_to: Annotated[
        str | None, Flag("with --select nearest: rows of the new task", reads=True, metavar="FILE")
    ] = None
    seed: Annotated[int, Flag("seed of the choice and of the written rows", metavar="N")] = 0


# Bases are listed last to first: a dataclass takes the fields of its last base first.
@dataclass(frozen=True, kw_only=True)
class ReplayBuildSettings(Common, ReadsRows, RunsModel, SynthesisSettings, SelectSettings):
    """Flags of `sft replay-build`."""

    dry_run: Annotated[
        bool, Flag("read the rows and choose among them, but write nothing", neutral=True, group="Common")
    ] = False

    @property
    def selector(self) -> str:
        """The name of the way in which rows are chosen."""
        return self.select or ("k-means" if self.synthesize else "reservoir")

    @property
    def asks_model(self) -> bool:
        """Whether the choice needs the model itself, not only its tokenizer."""
        return "model" in SELECTOR_FLAGS[self.selector]

    @property
    def inputs(self) -> str:
        """The files of old rows, for a message."""
        return ", ".join("<stdin>" if path == "-" else path for path in self.old)


def check_replay_flags(settings: ReplayBuildSettings) -> None:
    """Raise UserError if --select needs a flag that is missing, or if nothing reads a flag."""
    if settings.tokens is not None and settings.model is None:
        raise UserError("--tokens: needs a tokenizer to count tokens\nhint: --model NAME")
    if settings.synthesize:
        check_synthesis(settings)
    elif settings.asks_model and settings.model is None:
        raise UserError(f"--select {settings.select}: needs a model\nhint: --model NAME")
    if settings.selector == "nearest" and settings.nearest_to is None:
        raise UserError("--select nearest: expected rows of the new task\nhint: --nearest-to new.jsonl")
    if settings.nearest_to == "-" and "-" in settings.old and settings.synthesize != "scratch":
        raise UserError("--nearest-to: expected a file other than the old rows, got stdin twice")
    runs_model = settings.asks_model or settings.synthesize is not None
    has_model = runs_model or settings.tokens is not None
    readers = {
        "model": has_model,
        **dict.fromkeys(("chat_template", "special_tokens_in_text"), has_model),
        **dict.fromkeys(("dtype", "device", "threads"), runs_model),
        **{name: name in SELECTOR_FLAGS[settings.selector] for name in ("clusters", "nearest_to")},
        **{each.name: settings.synthesize is not None for each in fields_of(SynthesisSettings)},
    }
    for each in fields_of(type(settings)):
        if getattr(settings, each.name) != each.default and not readers.get(each.name, True):
            owners = [f"--select {name}" for name, flags in SELECTOR_FLAGS.items() if each.name in flags]
            if each.name not in ("clusters", "nearest_to"):
                owners = ["--synthesize"] if hasattr(SynthesisSettings, each.name) else []
            cure = f"{' or '.join(owners)} does" if owners else "it needs no model"
            raise UserError(f"{each.option}: --select {settings.selector} does not read it; {cure}")


def check_synthesis(settings: ReplayBuildSettings) -> None:
    """Raise UserError for flags that do not fit --synthesize or its value."""
    if settings.model is None:
        raise UserError("--synthesize: needs a model to write rows\nhint: --model NAME")
    if settings.tokens is not None:
        raise UserError("--tokens: --synthesize counts rows, not tokens\nhint: --rows N")
    if settings.synthesize == "in-context" and settings.task is not None:
        raise UserError("--task: rows from --synthesize in-context have the task of their examples")
    if settings.synthesize == "scratch":
        shown = {"OLD": settings.old != ["-"], "--shots": settings.shots is not None}
        for flag, is_given in shown.items():
            if is_given:
                raise UserError(f"{flag}: --synthesize scratch uses no examples\nhint: --synthesize in-context")
        if settings.rows is None or settings.per_task:
            raise UserError("--synthesize scratch: expected --rows, not another size\nhint: --rows 200 --task NAME")


def budget_of(settings: ReplayBuildSettings) -> Budget:
    """The budget from the flags; raises UserError if there is no size, or more than one."""
    sizes = {"--rows": settings.rows, "--tokens": settings.tokens, "--fraction": settings.fraction}
    given = [flag for flag, value in sizes.items() if value is not None]
    if len(given) > 1 or not (given or settings.per_task):
        raise UserError(
            f"expected one of --rows, --tokens and --fraction, got {' and '.join(given) or 'none of them'}\n"
            "hint: --rows 500"
        )
    quotas = read_quotas(settings.per_task)
    if quotas and settings.tokens is not None:
        raise UserError("--per-task: expected --rows, because it counts rows, got --tokens\nhint: --rows N")
    if not given and not any(quotas.values()):
        raise UserError("--per-task: expected a quota above 0, got only zeros")
    amount = settings.tokens or settings.rows or sum(quotas.values())
    unit = "rows" if settings.tokens is None else "tokens"
    is_proportional = settings.share == "proportional"
    return Budget(amount, settings.fraction, unit, quotas=quotas, quotas_only=not given, proportional=is_proportional)


def read_quotas(entries: list[str]) -> dict[str, int]:
    """`NAME=ROWS` entries of --per-task as a dict; raises UserError for any other entry."""
    numbers = parse_numbers("--per-task", entries, may_be_zero=True)
    for name, number in numbers.items():
        if number != int(number):
            raise UserError(f"--per-task: {name}: expected a whole number of rows, got {number:g}")
    return {name: int(number) for name, number in numbers.items()}
