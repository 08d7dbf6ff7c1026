"""Flags that contradict each other, or have no effect: found before anything is loaded, without torch."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sft_cli.model.adapters import COLUMN_ADAPTERS, PLAIN_LORAS, TRAITS
from sft_cli.model.names import check_models
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError, require
from sft_cli.run.named import parse_numbers
from sft_cli.run.ranks import ranks_of
from sft_cli.training.settings import TrainSettings
from sft_cli.training.settings.continual import strengths
from sft_cli.training.tables import LOSS_OPTIONS, OPTIMIZER_FLAGS, PULLS

if TYPE_CHECKING:
    from sft_cli.metrics.protocol import NamedMetric

FISHER_ADAPTERS = tuple(
    name for name in PLAIN_LORAS if name != "qlora"
)  # 4-bit weights have no gradient, and another shape


def check_settings(settings: TrainSettings) -> None:
    """Raise UserError for flags that do not work together, and for a missing package."""
    check_loss(settings)
    check_adapter_flags(settings)
    check_plan_settings(settings)
    check_evaluation(settings)
    check_continual(settings)
    check_trackers(settings.track)


def check_adapter_flags(settings: TrainSettings) -> None:
    """Raise UserError for a flag of another adapter or optimizer, and for a missing package."""
    adapter_flags = {name: traits.flags for name, traits in TRAITS.items()}
    _check_owned(settings, "adapter", adapter_flags)
    _check_owned(settings, "optimizer", OPTIMIZER_FLAGS)
    if settings.shard:
        _check_sharding(settings)
    if settings.adapter in COLUMN_ADAPTERS:
        _check_column_flags(settings)
    if settings.adapter == "qlora":
        require("bitsandbytes", "--adapter qlora", "bitsandbytes>=0.46")
    if settings.optimizer == "adamw-8bit":
        require("bitsandbytes", "--optimizer adamw-8bit", "bitsandbytes>=0.46")


# Flags about the layers of the model, which progressive columns do not change, and the reasons.
NOT_WITH_COLUMNS = {
    "freeze_bottom": "every weight of the model is already frozen",
    "neftune_alpha": "the noise would be on the input of the model, but the model is not trained",
    "checkpoint_activations": "the frozen model keeps no activations, and a column keeps few",
    "compile": "the body of the model is not trained",
}


def _check_column_flags(settings: TrainSettings) -> None:
    for name, reason in NOT_WITH_COLUMNS.items():
        value = getattr(settings, name)
        if value is not None and value is not False:  # 0 layers is also a value
            raise UserError(f"--{name.replace('_', '-')}: does not work with --adapter {settings.adapter}: {reason}")


# OSF rotates gradients with whole matrices, Adafactor and 8-bit AdamW have state of other shapes than a weight, and
# 4-bit weights cannot be cut.
NOT_SHARDED = {
    "adapter": ("osf", "qlora", *COLUMN_ADAPTERS),
    "optimizer": ("adafactor", "adamw-8bit"),
    "compile": (True,),
}


def _check_sharding(settings: TrainSettings) -> None:
    for name, values in NOT_SHARDED.items():
        if getattr(settings, name) in values:
            given = f"--{name}" if name == "compile" else f"--{name} {getattr(settings, name)}"
            raise UserError(
                f"--shard: does not work with {given}\nhint: without --shard, each process keeps all weights"
            )


def _check_owned(settings: TrainSettings, kind: str, flags: Mapping[str, tuple[str, ...]]) -> None:
    chosen = getattr(settings, kind)
    for flag in dict.fromkeys(flag for owned in flags.values() for flag in owned):
        if getattr(settings, flag) not in (None, []) and flag not in flags[chosen]:
            owners = ", ".join(name for name, owned in flags.items() if flag in owned)
            raise UserError(f"--{flag.replace('_', '-')}: expected --{kind} to be one of {owners}, got {chosen}")


def check_plan_settings(settings: TrainSettings) -> None:
    """Raise UserError for flags that contradict each other, before anything is read."""
    if settings.batch_size is not None and settings.batch_tokens is not None:
        raise UserError("--batch-tokens: expected only one of --batch-size and --batch-tokens")
    if settings.mix and settings.mix_temperature is not None:
        raise UserError("--mix-temperature: expected only one of --mix and --mix-temperature")
    is_mixed = bool(settings.mix) or settings.mix_temperature is not None or settings.stratify
    if settings.stratify and settings.batch_tokens is not None:
        raise UserError("--stratify: expected --batch-size, got --batch-tokens")
    if is_mixed and settings.order != "shuffled":
        raise UserError(f"--order: expected `shuffled` with --mix, because rows repeat, got {settings.order}")
    if settings.curriculum_key != "difficulty" and settings.order != "curriculum":
        raise UserError("--curriculum-key: has an effect only with --order curriculum")
    if settings.warmup >= 1 and settings.warmup != int(settings.warmup):
        raise UserError(f"--warmup: expected a share below 1 or a whole number of steps, got {settings.warmup:g}")
    parse_numbers("--mix", settings.mix, may_be_zero=True)
    parse_numbers("--task-weight", settings.task_weight, may_be_zero=False)


def check_trackers(names: list[str]) -> None:
    """Raise UserError, naming the cure, if the package of a tracker is not installed. Call it before long work."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise UserError(
                f"--track: {name} needs the package {name}, which is not installed\nhint: pip install {name}"
            )


def check_loss(settings: TrainSettings) -> None:
    """Raise UserError for an option of another loss."""
    for name, options in LOSS_OPTIONS.items():
        for field in options.values():
            if name != settings.loss and getattr(settings, field) is not None:
                flag = "--" + field.replace("_", "-")
                raise UserError(f"{flag}: expected --loss {name}, got --loss {settings.loss}, which does not use it")


def check_evaluation(settings: TrainSettings) -> None:
    """Raise UserError for flags that need held-out rows, or a metric, if these are missing."""
    needing = {
        "--eval-metric": settings.eval_metric is not None,
        "--best": settings.best,
        "--patience": settings.patience is not None,
        "--eval-every": settings.eval_every is not None and not settings.retain,
    }
    if not settings.eval_data:
        for option in (name for name, is_given in needing.items() if is_given):
            raise UserError(f"{option}: needs held-out rows\nhint: --eval-data FILE")
    if settings.shard and settings.eval_metric is not None:
        raise UserError(
            "--eval-metric: does not work with --shard\n"
            "hint: leave --eval-metric out: the held-out loss is always measured"
        )
    if settings.eval_rows is not None and settings.eval_metric is None:
        raise UserError("--eval-rows: has an effect only with --eval-metric\nhint: --eval-metric rouge-l")


def check_continual(settings: TrainSettings) -> None:
    """Raise UserError for flags that contradict each other, or that have no effect."""
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
            raise UserError(f"{flag}: has an effect only with {reader}")
    strengths(settings)
    if "kl" in chosen and not settings.anchor_data:
        raise UserError(
            "--regularizer kl: expected --anchor-data FILE, rows on which predictions stay the same\n"
            "hint: use old rows (sft replay-build), rows that the model wrote itself, or DATA again (learning without "
            "forgetting)"
        )
    _check_adapter(settings)


def _check_adapter(settings: TrainSettings) -> None:
    adapter, records = settings.adapter, settings.record_importance
    for name in (name for name in settings.regularizer if name in PULLS):
        fitting = ("none", *(PLAIN_LORAS if name == "l2-sp" else FISHER_ADAPTERS))
        if adapter not in fitting:
            raise UserError(f"--regularizer {name}: expected --adapter {', '.join(fitting)}, got {adapter}")
        if adapter != "none" and (settings.penalty_mode == "proximal" or settings.shard):
            flag = "--shard" if settings.shard else "--penalty-mode proximal"
            raise UserError(f"{flag}: with --regularizer {name} expected --adapter none, got {adapter}")
    if records is None:
        return
    if settings.best:
        raise UserError(
            "--record-importance: does not work with --best: the importance is that of the weights of the last step"
        )
    if settings.shard:
        raise UserError(
            "--record-importance: does not work with --shard\nhint: without --shard, each process keeps all weights"
        )
    known = ("none",) if records == "si" else ("none", *FISHER_ADAPTERS)
    if adapter not in known:
        raise UserError(f"--record-importance {records}: expected --adapter {', '.join(known)}, got {adapter}")


def check_before_loading(settings: TrainSettings, run: Run) -> None:
    """Raise UserError for errors of `train` and `distill` that need no model: flags, models, metric, output.

    Several processes do the same after they have contact, so that only one of them reports an error.
    """
    if ranks_of(os.environ).size > 1:
        return
    evaluation_metric(settings)
    check_settings(settings)
    check_models(settings)
    if not (settings.dry_run or settings.check_template):
        run.check_output_directory(settings.resume)


def evaluation_metric(settings: TrainSettings) -> NamedMetric | None:
    """The metric of --eval-metric. Raises UserError for one that does not exist, or cannot be used in training."""
    if settings.eval_metric is None:
        return None
    from sft_cli.metrics.protocol import read_metric

    metric = read_metric(settings.eval_metric, flag="--eval-metric")
    if metric.metric.missing == "no_logprobs":
        raise UserError(
            f"--eval-metric: expected a metric of the answers, got {settings.eval_metric}, which reads "
            "log-probabilities\n"
            "hint: leave --eval-metric out: the held-out loss is always measured"
        )
    if metric.metric.reads == "context":
        raise UserError(
            f"--eval-metric: expected a metric of the answers, got {settings.eval_metric}, which reads a ranking\n"
            "hint: sft score computes it"
        )
    if metric.metric.of_samples:
        raise UserError(
            f"--eval-metric: expected a metric of single answers, got {settings.eval_metric}, which compares samples"
        )
    if metric.metric.of_file:
        raise UserError(
            f"--eval-metric: expected a metric of single answers, got {settings.eval_metric}, which compares rows\n"
            "hint: sft score computes it"
        )
    if "-" in settings.eval_data:
        raise UserError("--eval-data: expected files, because --eval-metric reads the rows twice, got stdin")
    return metric
