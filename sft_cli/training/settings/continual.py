"""What keeps old tasks while a new one is learned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

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
    """Regularizers, the importance of weights, anchors, and the old rows that are watched."""

    regularizer: Annotated[
        list[str],
        Flag("hold the weights, or what the model says, near where training starts; repeatable", choices=REGULARIZERS),
    ] = field(default_factory=list)
    strength: Annotated[
        list[str],
        Flag(
            "λ of the regularizer, or of the one named; 1 if not given, 0 switches it off; repeatable",
            metavar="[NAME=]LAMBDA",
        ),
    ] = field(default_factory=list)
    penalty_mode: Annotated[
        str | None,
        Flag(
            "how ewc, si and l2-sp pull: by a gradient (loss, the default), or by a step of their own after the "
            "optimizer's, stable at every strength (proximal)",
            choices=("loss", "proximal"),
        ),
    ] = None
    importance_data: Annotated[
        list[str],
        Flag(
            "old rows, or ones like them, on which EWC measures how much each weight matters where the checkpoint "
            "does not say; repeatable",
            reads=True,
            metavar="FILE",
        ),
    ] = field(default_factory=list)
    importance_rows: Annotated[
        int | None, Flag(f"rows that EWC measures on; {IMPORTANCE_ROWS} if not given", minimum=1, metavar="N")
    ] = None
    fisher_temperature: Annotated[
        float | None,
        Flag(
            "at which EWC draws labels; if not given 1, or 4 where a few rare draws would carry the estimate", above=0
        ),
    ] = None
    record_importance: Annotated[
        str | None,
        Flag(
            "keep with the checkpoint how much each weight matters to what this run learns, for a later --regularizer",
            choices=IMPORTANCES,
        ),
    ] = None
    importance_decay: Annotated[
        float | None,
        Flag(
            "γ: what earlier tasks' importance counts beside this one's, in what is recorded; 1 if not given", minimum=0
        ),
    ] = None
    anchor_data: Annotated[
        list[str],
        Flag(
            "rows on which --regularizer kl holds the old model's distributions; repeatable", reads=True, metavar="FILE"
        ),
    ] = field(default_factory=list)
    anchor_rows: Annotated[
        int | None, Flag(f"rows of --anchor-data in each step; {ANCHOR_ROWS} if not given", minimum=1, metavar="N")
    ] = None
    retain: Annotated[
        list[str], Flag("old rows whose loss is measured at every evaluation; repeatable", reads=True, metavar="FILE")
    ] = field(default_factory=list)
    retain_limit: Annotated[
        float | None,
        Flag(
            "stop when the loss of --retain has risen by more than this; --best then takes no evaluation beyond it",
            above=0,
            metavar="NATS",
        ),
    ] = None


def strengths(settings: ContinualSettings) -> dict[str, float]:
    """λ of each regularizer that is on, in the order given. Raises UserError for what cannot be read."""
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
            raise UserError(f"--strength: {name!r} is not among --regularizer.{near_name(name, chosen)}")
    found = dict.fromkeys(chosen, 1.0) | given
    return {name: strength for name, strength in found.items() if strength > 0}
