"""The loss that the settings name, with its options."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from sft_cli.losses import LOSSES
from sft_cli.run.errors import UserError
from sft_cli.training.settings import TrainSettings

if TYPE_CHECKING:
    from torch import Tensor

# Name in LOSSES: {keyword of its function: the flag that gives it}. Defaults are the function's own.
OPTIONS = {"focal": {"gamma": "focal_gamma"}, "label-smoothing": {"alpha": "label_smoothing"}}


def check_loss(settings: TrainSettings) -> None:
    """Raise UserError for an option of another loss."""
    for name, options in OPTIONS.items():
        for field in options.values():
            if name != settings.loss and getattr(settings, field) is not None:
                flag = "--" + field.replace("_", "-")
                raise UserError(f"{flag}: expected --loss {name}, got --loss {settings.loss}, which does not use it")


def chosen_loss(settings: TrainSettings) -> Callable[[Tensor, Tensor], Tensor]:
    """The function (logits (m, V), labels (m,)) -> (m,)."""
    options = OPTIONS.get(settings.loss, {})
    given = {keyword: getattr(settings, field) for keyword, field in options.items()}
    return partial(LOSSES.load(settings.loss), **{k: value for k, value in given.items() if value is not None})
