"""The number of steps, their size and their learning rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from sft_cli.run.flags import Flag
from sft_cli.training.tables import SCHEDULES


@dataclass(frozen=True, kw_only=True)
class StepSettings:
    """Epochs, batch, learning rate, optimizer."""

    group: ClassVar[str] = "Optimizer and schedule"

    epochs: Annotated[
        int | None,
        Flag("number of passes over the rows [default: 1, unless --max-steps is given]", minimum=1, is_usual=True),
    ] = None
    max_steps: Annotated[
        int | None,
        Flag("number of optimizer steps; if --epochs is also given, the smaller number of steps applies", minimum=1),
    ] = None
    batch_size: Annotated[
        int | None,
        Flag("rows per optimizer step [default: 8, unless --batch-tokens is given]", minimum=1, is_usual=True),
    ] = None
    batch_tokens: Annotated[
        int | None,
        Flag("approximate number of tokens per optimizer step, instead of --batch-size", minimum=1, metavar="N"),
    ] = None
    microbatch_tokens: Annotated[
        int,
        Flag(
            "largest number of tokens to compute at once; affects memory; changes the results only with --batch-tokens",
            minimum=1,
            is_usual=True,
            group="Devices",
        ),
    ] = 2048
    learning_rate: Annotated[
        float | None,
        Flag(
            "peak learning rate [default: 2e-5 for all weights, 2e-4 for a LoRA; others: docs/tuning.md]",
            above=0,
            is_usual=True,
        ),
    ] = None
    schedule: Annotated[str, Flag("learning rate after the warm-up", choices=SCHEDULES)] = "cosine"
    warmup: Annotated[
        float, Flag("length of the warm-up: below 1 a share of the steps, otherwise a number of steps", minimum=0)
    ] = 0.05
    weight_decay: Annotated[float, Flag("weight decay of the weight matrices", minimum=0)] = 0.0
    clip: Annotated[float, Flag("largest norm of the gradient; 0 switches clipping off", minimum=0)] = 1.0
    seed: Annotated[int, Flag("seed of the row order, dropout and new weights", minimum=0, is_usual=True)] = 0

    @property
    def rows_per_step(self) -> int | None:
        """Rows of an optimizer step; None if it is measured in tokens."""
        return 8 if self.batch_size is None and self.batch_tokens is None else self.batch_size
