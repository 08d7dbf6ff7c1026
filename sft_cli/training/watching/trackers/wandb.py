"""Weights & Biases: its server, or with WANDB_MODE=offline a folder to synchronise later."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any


class WeightsAndBiases:
    """A run of the project WANDB_PROJECT (default: `sft`); WANDB_MODE, WANDB_DIR and the login apply as usual."""

    def __init__(self, name: str, folder: Path, settings: dict[str, Any], first_step: int) -> None:
        client = import_module("wandb")
        project = os.environ.get("WANDB_PROJECT", "sft")
        # console="off": stdout is the result of the command, and must not be captured.
        self.run = client.init(project=project, name=name, config=settings, settings=client.Settings(console="off"))

    def log(self, step: int, values: dict[str, float]) -> None:
        """Log the scalars of a step."""
        self.run.log(values, step=step)

    def close(self, failed: bool) -> None:
        """End the run, as failed or finished."""
        self.run.finish(exit_code=int(failed))
