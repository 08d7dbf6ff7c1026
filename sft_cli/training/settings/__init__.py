"""The flags of `train` and `distill`, in groups: data, mixture, tuning, loss, continual, steps, watch, devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from sft_cli.model.adapters import TRAITS
from sft_cli.run.flags import Common, Flag, ReadsRows, RunsModel
from sft_cli.training.settings.continual import ContinualSettings
from sft_cli.training.settings.data import DataSettings
from sft_cli.training.settings.devices import DeviceSettings
from sft_cli.training.settings.loss import LossSettings
from sft_cli.training.settings.mixture import MixtureSettings
from sft_cli.training.settings.steps import StepSettings
from sft_cli.training.settings.tuning import TuningSettings
from sft_cli.training.settings.watch import WatchSettings
from sft_cli.training.tables import RATE_FACTOR


# Bases are listed last to first: a dataclass takes the fields of its last base first.
@dataclass(frozen=True, kw_only=True)
class TrainSettings(
    Common,
    ReadsRows,
    RunsModel,
    DeviceSettings,
    WatchSettings,
    StepSettings,
    ContinualSettings,
    LossSettings,
    TuningSettings,
    MixtureSettings,
    DataSettings,
):
    """Flags of `sft train`."""

    prints_path: ClassVar[bool] = True

    @property
    def peak_learning_rate(self) -> float:
        """The learning rate, or the default of the adapter and the optimizer."""
        return self.learning_rate or TRAITS[self.adapter].learning_rate * RATE_FACTOR[self.optimizer]


@dataclass(frozen=True, kw_only=True)
class DistillSettings(TrainSettings):
    """Flags of `sft distill`."""

    group: ClassVar[str] = "Distillation"
    extends: ClassVar[str] = "train"  # the command whose flags these are beside its own

    teacher: Annotated[str, Flag("model to learn from; needs the tokenizer of the student", reads=True, is_model=True)]
    alpha: Annotated[
        float, Flag("weight of cross-entropy; T²·KL(teacher‖student) has the weight 1 − alpha", minimum=0, maximum=1)
    ] = 0.5
    temperature: Annotated[float, Flag("temperature T that softens both distributions", above=0)] = 2.0
