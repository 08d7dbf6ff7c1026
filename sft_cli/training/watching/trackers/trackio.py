"""Trackio: a local database, or a Space if TRACKIO_SPACE_ID names one."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any


class Trackio:
    """A run of the project TRACKIO_PROJECT (default: `sft`) in trackio's local database; `trackio show` shows it."""

    def __init__(self, name: str, folder: Path, settings: dict[str, Any], first_step: int) -> None:
        self.client = import_module("trackio")
        resume = "allow" if first_step > 1 else "never"
        self.client.init(os.environ.get("TRACKIO_PROJECT", "sft"), name=name, config=settings, resume=resume)

    def log(self, step: int, values: dict[str, float]) -> None:
        """Log the scalars of a step."""
        self.client.log(values, step=step)

    def close(self, failed: bool) -> None:
        """End the run; trackio has no mark for failed runs."""
        self.client.finish()
