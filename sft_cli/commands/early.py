"""What is checked before torch is imported: a mistake in the command line is told in half a second."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sft_cli.run.context import Run
from sft_cli.run.flags import fields_of
from sft_cli.run.ranks import ranks_of

if TYPE_CHECKING:
    from sft_cli.training.settings import TrainSettings


def check_models(settings: Any) -> None:
    """Raise UserError for a model that is not there, as far as one look at the disk tells."""
    from sft_cli.model.load import check_model

    for field in fields_of(type(settings)):
        name = getattr(settings, field.name)
        if field.flag.is_model and name:
            check_model(name)


def check_training(settings: TrainSettings, run: Run) -> None:
    """Raise UserError for what `train` and `distill` can refuse without a model: flags, models, metric, output.

    Several processes do the same when they have met, so that one of them says it.
    """
    from sft_cli.commands.evaluating import evaluation_metric
    from sft_cli.training.flags import check_settings

    if ranks_of(os.environ).size > 1:
        return
    evaluation_metric(settings)
    check_settings(settings)
    check_models(settings)
    if not (settings.dry_run or settings.check_template):
        run.check_output_directory(settings.resume)
