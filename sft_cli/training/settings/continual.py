"""Methods that keep old tasks while a new task is learned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from sft_cli.run.errors import UserError
from sft_cli.run.flags import Flag
from sft_cli.run.named import parse_numbers
from sft_cli.run.registry import near_name
from sft_cli.run.text import counted
from sft_cli.training.tables import IMPORTANCES, REGULARIZERS

IMPORTANCE_ROWS = 256
ANCHOR_ROWS = 8  # Marek et al. 2026 replay as many sequences in each step


@dataclass(frozen=True, kw_only=True)
class ContinualSettings:
    """Regularizers, the importance of weights, anchors, and old rows to monitor."""

    group: ClassVar[str] = "Not forgetting"

    regularizer: Annotated[
        list[str],
        Flag(
            "keep the weights (ewc, si, l2-sp) or the predictions (kl) close to the start of training; repeatable",
            choices=REGULARIZERS,
            is_usual=True,
        ),
    ] = field(default_factory=list)
    strength: Annotated[
        list[str],
        Flag(
            "strength λ of all regularizers, or NAME=λ of one; 0 switches it off; repeatable [default: 1]",
            metavar="[NAME=]LAMBDA",
            starts="sft_cli.training.tables:REGULARIZERS",
        ),
    ] = field(default_factory=list)
    penalty_mode: Annotated[
        str | None,
        Flag(
            "how ewc, si and l2-sp act: loss = a part of the loss; proximal = a step after each optimizer step, "
            "stable at any λ [default: loss]",
            choices=("loss", "proximal"),
        ),
    ] = None
    importance_data: Annotated[
        list[str],
        Flag(
            "old rows, or similar ones, on which EWC measures importance if the checkpoint has none; repeatable",
            reads=True,
            metavar="FILE",
        ),
    ] = field(default_factory=list)
    importance_rows: Annotated[
        int | None,
        Flag(f"number of rows on which EWC measures importance [default: {IMPORTANCE_ROWS}]", minimum=1, metavar="N"),
    ] = None
    fisher_temperature: Annotated[
        float | None,
        Flag(
            "temperature at which EWC samples labels [default: 1, or 4 if most of the importance comes from few rows]",
            above=0,
        ),
    ] = None
    record_importance: Annotated[
        str | None,
        Flag(
            "save with the checkpoint how important each weight is for these rows; for a later --regularizer",
            choices=IMPORTANCES,
        ),
    ] = None
    importance_decay: Annotated[
        float | None,
        Flag("multiply the importance of earlier tasks by this γ, then add that of these rows [default: 1]", minimum=0),
    ] = None
    anchor_data: Annotated[
        list[str],
        Flag(
            "rows on which --regularizer kl keeps the predictions of the old model; repeatable",
            reads=True,
            metavar="FILE",
        ),
    ] = field(default_factory=list)
    anchor_rows: Annotated[
        int | None,
        Flag(f"number of rows of --anchor-data in each step [default: {ANCHOR_ROWS}]", minimum=1, metavar="N"),
    ] = None
    retain: Annotated[
        list[str], Flag("old rows whose loss is measured at every evaluation; repeatable", reads=True, metavar="FILE")
    ] = field(default_factory=list)
    retain_limit: Annotated[
        float | None,
        Flag(
            "stop when the loss of --retain has risen by more than this; --best ignores evaluations above the limit",
            above=0,
            metavar="NATS",
        ),
    ] = None


def strengths(settings: ContinualSettings) -> dict[str, float]:
    """λ of each active regularizer, in the given order. Raises UserError for a bad value."""
    chosen = list(dict.fromkeys(settings.regularizer))
    entries = []
    for entry in settings.strength:
        if "=" not in entry and len(chosen) != 1:
            raise UserError(
                f"--strength: expected NAME={entry} with {counted(len(chosen), 'regularizer')}, got {entry!r}"
            )
        entries.append(entry if "=" in entry else f"{chosen[0]}={entry}")
    given = parse_numbers("--strength", entries, may_be_zero=True)
    for name in given:
        if name not in chosen:
            raise UserError(f"--strength: expected a name of --regularizer, got {name!r}.{near_name(name, chosen)}")
    values = dict.fromkeys(chosen, 1.0) | given
    return {name: strength for name, strength in values.items() if strength > 0}
