"""The flags of `replay-build`, and what they say together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from sft_cli.data.select import SELECTOR_FLAGS, SELECTORS
from sft_cli.data.select.budget import Budget
from sft_cli.run.errors import UserError
from sft_cli.run.flags import Common, Flag, ReadsRows, RunsModel, fields_of

CLUSTERS = 20  # as in SSR


@dataclass(frozen=True, kw_only=True)
class ReplayBuildSettings(Common, ReadsRows, RunsModel):
    """Flags of `sft replay-build`."""

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
    select: Annotated[str, Flag("how rows are chosen", choices=SELECTORS)] = "reservoir"
    model: Annotated[
        str | None,
        Flag("who embeds rows or gives their loss for --select, and whose tokenizer counts for --tokens", reads=True),
    ] = None
    clusters: Annotated[int | None, Flag(f"clusters of a task with k-means; else {CLUSTERS}", minimum=1)] = None
    nearest_to: Annotated[
        str | None, Flag("rows of the new task, for --select nearest", reads=True, metavar="FILE")
    ] = None
    seed: Annotated[int, Flag("seed of the choice", metavar="N")] = 0
    dry_run: Annotated[bool, Flag("read and choose, write nothing", neutral=True)] = False

    @property
    def runs_model(self) -> bool:
        """Whether the model itself is asked, not its tokenizer alone."""
        return "model" in SELECTOR_FLAGS[self.select]

    @property
    def inputs(self) -> str:
        """The files of old rows, for a message."""
        return ", ".join("<stdin>" if path == "-" else path for path in self.old)


def check_flags(settings: ReplayBuildSettings) -> None:
    """Raise UserError for a flag that the way of choosing needs and has not, and for one that nothing would read."""
    if settings.tokens is not None and settings.model is None:
        raise UserError("--tokens: needs the tokenizer that counts\nhint: --model NAME")
    if settings.runs_model and settings.model is None:
        raise UserError(f"--select {settings.select}: asks a model\nhint: --model NAME")
    if settings.select == "nearest" and settings.nearest_to is None:
        raise UserError("--select nearest: expected rows of the new task\nhint: --nearest-to new.jsonl")
    if settings.nearest_to == "-" and "-" in settings.old:
        raise UserError("--nearest-to: expected a file beside the old rows, got stdin twice")
    has_model = settings.runs_model or settings.tokens is not None
    readers = {
        "model": has_model,
        "chat_template": has_model,
        **dict.fromkeys(("dtype", "device", "threads"), settings.runs_model),
        **{name: name in SELECTOR_FLAGS[settings.select] for name in ("clusters", "nearest_to")},
    }
    for each in fields_of(type(settings)):
        if getattr(settings, each.name) != each.default and not readers.get(each.name, True):
            others = " or ".join(name for name, flags in SELECTOR_FLAGS.items() if each.name in flags)
            cure = f"--select {others} would" if each.name in ("clusters", "nearest_to") else "no model is asked"
            raise UserError(f"{each.option}: --select {settings.select} does not read it; {cure}")


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
    quotas: dict[str, int] = {}
    for entry in entries:
        name, _, rows = entry.rpartition("=")
        if not name or not (rows.isascii() and rows.isdigit()):
            raise UserError(f"--per-task: expected NAME=ROWS, got {entry!r}")
        if name in quotas:
            raise UserError(f"--per-task: {name}: given twice")
        quotas[name] = int(rows)
    return quotas
