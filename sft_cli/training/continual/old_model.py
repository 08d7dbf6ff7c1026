"""The model before training, without a copy if possible."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from sft_cli.model.forward import Batch
from sft_cli.training.continual.pull import FullPull
from sft_cli.training.objective import logits_of_rows
from sft_cli.training.settings import TrainSettings

# The logits of the old model at a batch's targets: (model, batch) -> (rows -> logits (m, V)).
Old = Callable[[Any, Batch], Callable[[slice], Tensor]]

# Adapters that restore the old model when they are switched off.
LEAVES_BASE = ("lora", "rslora", "dora", "lora-plus", "ia3", "qlora")


def is_base_at_hand(settings: TrainSettings) -> bool:
    """Whether the trained model becomes the old model when its adapter is switched off."""
    return settings.adapter in LEAVES_BASE and not settings.shard


def of_copy(teacher: Any) -> Old:
    """The old model as a second model."""
    return lambda model, batch: logits_of_rows(teacher, batch)


def of_base(model: Any, batch: Batch) -> Callable[[slice], Tensor]:
    """The old model as the trained model with its adapter switched off: no additional memory."""
    with _as_it_was(model), _adapter_off(model):
        return logits_of_rows(model, batch)


def of_anchors(pulls: Sequence[FullPull]) -> Old:
    """The old model from the first weights that a penalty keeps, exchanged with the current weights during the pass."""

    def old(model: Any, batch: Batch) -> Callable[[slice], Tensor]:
        with _as_it_was(model), _first_weights(pulls):
            return logits_of_rows(model, batch)

    return old


@contextlib.contextmanager
def _as_it_was(model: Any) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


@contextlib.contextmanager
def _adapter_off(model: Any) -> Iterator[None]:
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    try:
        for layer in layers:
            layer._disable_adapters = True  # peft's method would unfreeze weights that --freeze has frozen
        yield
    finally:
        for layer in layers:
            layer._disable_adapters = False


@contextlib.contextmanager
def _first_weights(pulls: Sequence[FullPull]) -> Iterator[None]:
    def exchange() -> None:
        for pull in pulls:
            pull.weight.data, pull.anchor = pull.anchor, pull.weight.data
        # Autocast caches narrow copies of weights by the weight object, not by its values.
        torch.clear_autocast_cache()

    exchange()
    try:
        yield
    finally:
        exchange()
