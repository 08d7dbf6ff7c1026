"""The flags of what keeps old tasks: strengths, and what does not go together."""

from __future__ import annotations

from sft_cli.continual import IMPORTANCES
from sft_cli.model.adapters import PLAIN
from sft_cli.run.errors import UserError
from sft_cli.run.named import parse_numbers
from sft_cli.run.registry import near_name
from sft_cli.run.text import counted
from sft_cli.training.settings import TrainSettings

PULLS = (*IMPORTANCES, "l2-sp")
MEASURED = tuple(name for name in PLAIN if name != "qlora")  # 4-bit weights have no gradient, nor the shape of a weight


def strengths(settings: TrainSettings) -> dict[str, float]:
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


def check_continual(settings: TrainSettings) -> None:
    """Raise UserError for flags that contradict one another, or that nothing reads."""
    chosen, records = settings.regularizer, settings.record_importance
    measures = "ewc" in chosen or records == "ewc"
    unread = {
        "--strength": (settings.strength, bool(chosen), "--regularizer"),
        "--penalty-mode": (settings.penalty_mode, bool(set(chosen) & set(PULLS)), "--regularizer ewc, si or l2-sp"),
        "--importance-data": (settings.importance_data, measures, "--regularizer ewc or --record-importance ewc"),
        "--importance-rows": (settings.importance_rows, measures, "--regularizer ewc or --record-importance ewc"),
        "--fisher-temperature": (settings.fisher_temperature, measures, "--regularizer ewc or --record-importance ewc"),
        "--importance-decay": (settings.importance_decay is not None, records is not None, "--record-importance"),
        "--anchor-data": (settings.anchor_data, "kl" in chosen, "--regularizer kl"),
        "--anchor-rows": (settings.anchor_rows, "kl" in chosen, "--regularizer kl"),
        "--retain-limit": (settings.retain_limit, bool(settings.retain), "--retain FILE"),
    }
    for flag, (given, is_read, reader) in unread.items():
        if given and not is_read:
            raise UserError(f"{flag}: expected {reader} beside it, which alone reads it")
    strengths(settings)
    if "kl" in chosen and not settings.anchor_data:
        raise UserError(
            "--regularizer kl: expected --anchor-data FILE, rows on which the old model is held\n"
            "hint: old rows (sft replay-build), rows that the model wrote itself, or DATA again: learning without "
            "forgetting"
        )
    _check_adapter(settings)


def _check_adapter(settings: TrainSettings) -> None:
    adapter, records = settings.adapter, settings.record_importance
    for name in (name for name in settings.regularizer if name in PULLS):
        fitting = ("none", *(PLAIN if name == "l2-sp" else MEASURED))
        if adapter not in fitting:
            raise UserError(f"--regularizer {name}: expected --adapter {', '.join(fitting)}, got {adapter}")
        if adapter != "none" and (settings.penalty_mode == "proximal" or settings.shard):
            flag = "--shard" if settings.shard else "--penalty-mode proximal"
            raise UserError(f"{flag}: with --regularizer {name} expected --adapter none, got {adapter}")
    if records is None:
        return
    if settings.best:
        raise UserError("--record-importance: does not go with --best: it is measured at the last step's weights")
    if settings.shard:
        raise UserError(
            "--record-importance: does not go with --shard\nhint: without it, each process keeps all weights"
        )
    known = ("none",) if records == "si" else ("none", *MEASURED)
    if adapter not in known:
        raise UserError(f"--record-importance {records}: expected --adapter {', '.join(known)}, got {adapter}")
