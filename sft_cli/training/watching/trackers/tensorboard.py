"""TensorBoard: event files in a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class TensorBoard:
    """Event files in `tensorboard/RUN-NAME` beside the output directory, so that one TensorBoard shows all runs."""

    def __init__(self, name: str, folder: Path, settings: dict[str, Any], first_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # From `first_step` on, values of an earlier run with this name are hidden.
        self.writer = SummaryWriter(str(folder / name), purge_step=first_step, flush_secs=10)
        lines = [f"| {key} | `{json.dumps(value, ensure_ascii=False)}` |" for key, value in settings.items()]
        self.writer.add_text("settings", "\n".join(["| flag | value |", "|---|---|", *lines]), first_step)

    def log(self, step: int, values: dict[str, float]) -> None:
        """Add the scalars of a step."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def close(self, failed: bool) -> None:
        """Flush and close the event file."""
        self.writer.close()
