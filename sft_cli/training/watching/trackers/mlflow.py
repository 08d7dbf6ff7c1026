"""MLflow: the store of MLFLOW_TRACKING_URI, or a local store."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

PARAMETERS_AT_A_TIME = 100  # MLflow refuses more in one call


class MLflow:
    """A run of the experiment MLFLOW_EXPERIMENT_NAME; without MLFLOW_TRACKING_URI in MLflow's local store."""

    def __init__(self, name: str, folder: Path, settings: dict[str, Any], first_step: int) -> None:
        self.client = import_module("mlflow")
        self.client.start_run(run_name=name)
        entries = list(settings.items())
        for at in range(0, len(entries), PARAMETERS_AT_A_TIME):
            self.client.log_params(dict(entries[at : at + PARAMETERS_AT_A_TIME]))

    def log(self, step: int, values: dict[str, float]) -> None:
        """Log the scalars of a step."""
        self.client.log_metrics(values, step=step)

    def close(self, failed: bool) -> None:
        """End the run, as failed or finished."""
        self.client.end_run("FAILED" if failed else "FINISHED")
