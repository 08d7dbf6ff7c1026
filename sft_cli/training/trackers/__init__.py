"""Trackers: one file each, a class `Tracker(name, folder, settings, first_step)` with `log(step, values)` and `close`.

`name` is the run's; `folder` is where one that writes files may keep them; `settings` are written once; `first_step`
is the first that will be logged: 0 (before training), or later when a run is resumed. Clients are imported when a
tracker is made.
"""

from sft_cli.run.registry import Table

# A tracker has the name of the package that its client comes from.
TRACKERS = Table(
    "tracker",
    {
        "tensorboard": "sft_cli.training.trackers.tensorboard:TensorBoard",
        "trackio": "sft_cli.training.trackers.trackio:Trackio",
        "wandb": "sft_cli.training.trackers.wandb:WeightsAndBiases",
        "mlflow": "sft_cli.training.trackers.mlflow:MLflow",
    },
)
