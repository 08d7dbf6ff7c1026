"""Flags that contradict one another, or that nothing reads: found before anything is loaded, without torch."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

from sft_cli.model.adapters import COLUMNS, TRAITS
from sft_cli.run.errors import UserError
from sft_cli.run.named import parse_numbers
from sft_cli.run.packages import require
from sft_cli.training.chosen_loss import check_loss
from sft_cli.training.continual_flags import check_continual
from sft_cli.training.optimizers import OPTIMIZER_FLAGS
from sft_cli.training.settings import TrainSettings
from sft_cli.training.stopping import check_evaluation


def check_settings(settings: TrainSettings) -> None:
    """Raise UserError for flags that do not go together, or a package that is missing."""
    check_loss(settings)
    check_flags(settings)
    check_plan_settings(settings)
    check_evaluation(settings)
    check_continual(settings)
    check_trackers(settings.track)


def check_flags(settings: TrainSettings) -> None:
    """Raise UserError for a flag of another adapter or optimizer than the one chosen, or a package that is missing."""
    adapter_flags = {name: traits.flags for name, traits in TRAITS.items()}
    _check_owned(settings, "adapter", adapter_flags)
    _check_owned(settings, "optimizer", OPTIMIZER_FLAGS)
    if settings.shard:
        _check_sharding(settings)
    if settings.adapter in COLUMNS:
        _check_columns(settings)
    if settings.adapter == "qlora":
        require("bitsandbytes", "--adapter qlora", "quantize")
    if settings.optimizer == "adamw-8bit":
        require("bitsandbytes", "--optimizer adamw-8bit", "quantize")


# What is said of the model's own layers, which progressive columns leave alone.
NOT_WITH_COLUMNS = {
    "freeze_bottom": "every weight of the model is frozen",
    "neftune_alpha": "noise would be on what the model itself, which does not train, reads",
    "checkpoint_activations": "the frozen model runs as when it answers, a column keeps little for its backward pass",
    "compile": "the model's body is not what trains",
}


def _check_columns(settings: TrainSettings) -> None:
    for name, reason in NOT_WITH_COLUMNS.items():
        value = getattr(settings, name)
        if value is not None and value is not False:  # 0 layers are asked for, too
            raise UserError(f"--{name.replace('_', '-')}: does not go with --adapter {settings.adapter}: {reason}")


# OSF turns gradients by whole matrices, Adafactor and 8-bit AdamW keep state of other shapes than a weight's; 4-bit
# weights are no numbers to cut.
NOT_SHARDED = {"adapter": ("osf", "qlora", *COLUMNS), "optimizer": ("adafactor", "adamw-8bit"), "compile": (True,)}


def _check_sharding(settings: TrainSettings) -> None:
    for name, values in NOT_SHARDED.items():
        if getattr(settings, name) in values:
            given = f"--{name}" if name == "compile" else f"--{name} {getattr(settings, name)}"
            raise UserError(
                f"--shard: does not go with {given}\nhint: without --shard, several processes keep all weights in each"
            )


def _check_owned(settings: TrainSettings, kind: str, flags: Mapping[str, tuple[str, ...]]) -> None:
    chosen = getattr(settings, kind)
    for flag in dict.fromkeys(flag for owned in flags.values() for flag in owned):
        if getattr(settings, flag) not in (None, []) and flag not in flags[chosen]:
            owners = ", ".join(name for name, owned in flags.items() if flag in owned)
            raise UserError(f"--{flag.replace('_', '-')}: expected --{kind} to be one of {owners}, got {chosen}")


def check_plan_settings(settings: TrainSettings) -> None:
    """Raise UserError for flags that contradict one another, before anything is read."""
    if settings.batch_size is not None and settings.batch_tokens is not None:
        raise UserError("--batch-tokens: a step is so many rows (--batch-size) or so many tokens, expected one of them")
    if settings.mix and settings.mix_temperature is not None:
        raise UserError("--mix-temperature: shares come from --mix or from a temperature, expected one of them")
    is_mixed = bool(settings.mix) or settings.mix_temperature is not None or settings.stratify
    if settings.stratify and settings.batch_tokens is not None:
        raise UserError("--stratify: expected steps of so many rows (--batch-size), got --batch-tokens")
    if is_mixed and settings.order != "shuffled":
        raise UserError(
            f"--order: expected shuffled in a mixture, whose sources come again and again, got {settings.order}"
        )
    if settings.curriculum_key != "difficulty" and settings.order != "curriculum":
        raise UserError("--curriculum-key: only --order curriculum sorts by it")
    if settings.warmup >= 1 and settings.warmup != int(settings.warmup):
        raise UserError(f"--warmup: expected a share below 1 or a whole number of steps, got {settings.warmup:g}")
    parse_numbers("--mix", settings.mix, may_be_zero=True)
    parse_numbers("--task-weight", settings.task_weight, may_be_zero=False)


def check_trackers(names: list[str]) -> None:
    """Raise UserError, naming the cure, if the package of a tracker is not installed. For before the long work."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise UserError(
                f"--track: {name} needs the package {name}, which is not installed\nhint: pip install {name}"
            )
