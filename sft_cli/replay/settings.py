"""The flags of `replay-build`, and what they say together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

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

    old: Annotated[
        list[str],
        Flag("files of old rows, as sft prep writes them; - is stdin", positional=True, reads=True, metavar="OLD"),
    ] = field(default_factory=lambda: ["-"])
    rows: Annotated[int | None, Flag("how many rows to keep", minimum=1, metavar="N")] = None
    tokens: Annotated[int | None, Flag("how many tokens to keep at most (needs --model)", minimum=1, metavar="N")] = (
        None
    )
    fraction: Annotated[float | None, Flag("which part of all rows to keep", above=0, maximum=1, metavar="F")] = None
    per_task: Annotated[
        list[str],
        Flag(
            "rows of a task to keep; repeatable. Tasks that are not named share what --rows or --fraction leaves",
            metavar="NAME=ROWS",
        ),
    ] = field(default_factory=list)
    share: Annotated[
        str,
        Flag(
            "what each task gets: as much as the others, or in proportion to its rows",
            choices=("equal", "proportional"),
        ),
    ] = "equal"
    select: Annotated[
        str | None, Flag("how rows are chosen; reservoir if not given, k-means with --synthesize", choices=SELECTORS)
    ] = None
    model: Annotated[
        str | None,
        Flag(
            "who embeds rows or gives their loss for --select, and whose tokenizer counts for --tokens",
            reads=True,
            is_model=True,
        ),
    ] = None
    clusters: Annotated[int | None, Flag(f"clusters of a task with k-means; else {CLUSTERS}", minimum=1)] = None
    nearest_to: Annotated[
        str | None, Flag("rows of the new task, for --select nearest", reads=True, metavar="FILE")
    ] = None
    seed: Annotated[int, Flag("seed of the choice, and of what is written", metavar="N")] = 0


# Bases are listed last to first: a dataclass takes the fields of its last base first.
@dataclass(frozen=True, kw_only=True)
class ReplayBuildSettings(Common, ReadsRows, RunsModel, SynthesisSettings, SelectSettings):
    """Flags of `sft replay-build`."""

    dry_run: Annotated[bool, Flag("read and choose, write nothing", neutral=True)] = False

    @property
    def selector(self) -> str:
        """The name of the way in which rows are chosen."""
        return self.select or ("k-means" if self.synthesize else "reservoir")

    @property
    def asks_model(self) -> bool:
        """Whether the choice asks the model itself, not its tokenizer alone."""
        return "model" in SELECTOR_FLAGS[self.selector]

    @property
    def inputs(self) -> str:
        """The files of old rows, for a message."""
        return ", ".join("<stdin>" if path == "-" else path for path in self.old)


def check_replay_flags(settings: ReplayBuildSettings) -> None:
    """Raise UserError for a flag that the way of choosing needs and has not, and for one that nothing would read."""
    if settings.tokens is not None and settings.model is None:
        raise UserError("--tokens: needs the tokenizer that counts\nhint: --model NAME")
    if settings.synthesize:
        check_synthesis(settings)
    elif settings.asks_model and settings.model is None:
        raise UserError(f"--select {settings.select}: asks a model\nhint: --model NAME")
    if settings.selector == "nearest" and settings.nearest_to is None:
        raise UserError("--select nearest: expected rows of the new task\nhint: --nearest-to new.jsonl")
    if settings.nearest_to == "-" and "-" in settings.old and settings.synthesize != "scratch":
        raise UserError("--nearest-to: expected a file beside the old rows, got stdin twice")
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
            cure = f"{' or '.join(owners)} would" if owners else "no model is asked"
            raise UserError(f"{each.option}: --select {settings.selector} does not read it; {cure}")


def check_synthesis(settings: ReplayBuildSettings) -> None:
    """Raise UserError for flags that do not go with --synthesize, or with the way in which it writes."""
    if settings.model is None:
        raise UserError("--synthesize: needs the model that writes\nhint: --model NAME")
    if settings.tokens is not None:
        raise UserError("--tokens: --synthesize writes rows\nhint: --rows N")
    if settings.synthesize == "in-context" and settings.task is not None:
        raise UserError("--task: rows that are written in-context have the task of their examples")
    if settings.synthesize == "scratch":
        shown = {"OLD": settings.old != ["-"], "--shots": settings.shots is not None}
        for flag, is_given in shown.items():
            if is_given:
                raise UserError(f"{flag}: --synthesize scratch shows no examples; in-context would")
        if settings.rows is None or settings.per_task:
            raise UserError("--synthesize scratch: expected --rows, and no other measure\nhint: --rows 200 --task NAME")


def budget_of(settings: ReplayBuildSettings) -> Budget:
    """The budget that the flags ask for; raises UserError for none or too many of them."""
    sizes = {"--rows": settings.rows, "--tokens": settings.tokens, "--fraction": settings.fraction}
    given = [flag for flag, value in sizes.items() if value is not None]
    if len(given) > 1 or not (given or settings.per_task):
        raise UserError(
            f"expected one of --rows, --tokens and --fraction, got {' and '.join(given) or 'none of them'}\n"
            "hint: --rows 500"
        )
    quotas = read_quotas(settings.per_task)
    if quotas and settings.tokens is not None:
        raise UserError("--per-task: counts rows, got --tokens\nhint: --rows N")
    if not given and not any(quotas.values()):
        raise UserError("--per-task: expected a quota above 0, got only zeros")
    amount = settings.tokens or settings.rows or sum(quotas.values())
    unit = "rows" if settings.tokens is None else "tokens"
    is_proportional = settings.share == "proportional"
    return Budget(amount, settings.fraction, unit, quotas=quotas, quotas_only=not given, proportional=is_proportional)


def read_quotas(entries: list[str]) -> dict[str, int]:
    """`NAME=ROWS` entries of --per-task as a dict; raises UserError for anything else."""
    numbers = parse_numbers("--per-task", entries, may_be_zero=True)
    for name, number in numbers.items():
        if number != int(number):
            raise UserError(f"--per-task: {name}: expected a whole number of rows, got {number:g}")
    return {name: int(number) for name, number in numbers.items()}
