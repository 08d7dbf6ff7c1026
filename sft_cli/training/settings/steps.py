"""How many steps, of which size, at which rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sft_cli.run.flags import Flag
from sft_cli.training.tables import SCHEDULES


@dataclass(frozen=True, kw_only=True)
class StepSettings:
    """Epochs, batch, learning rate, optimizer."""

    epochs: Annotated[
        int | None, Flag("passes over the rows; 1 if neither this nor --max-steps is given", minimum=1)
    ] = None
    max_steps: Annotated[
        int | None,
        Flag("optimizer steps, over as many passes as that takes; of --epochs and this the smaller holds", minimum=1),
    ] = None
    batch_size: Annotated[
        int | None, Flag("rows per optimizer step; 8 if neither this nor --batch-tokens is given", minimum=1)
    ] = None
    batch_tokens: Annotated[
        int | None, Flag("instead of --batch-size: about so many tokens per optimizer step", minimum=1, metavar="N")
    ] = None
    microbatch_tokens: Annotated[
        int,
        Flag(
            "tokens computed at a time: a matter of memory, never of the result (but bins of so many make up the steps "
            "of --batch-tokens)",
            minimum=1,
        ),
    ] = 2048
    learning_rate: Annotated[
        float | None,
        Flag(
            "peak learning rate; if not given 2e-5 for every weight, 2e-4 for a LoRA, others in docs/tuning.md", above=0
        ),
    ] = None
    schedule: Annotated[str, Flag("how the learning rate goes on after the warm-up", choices=SCHEDULES)] = "cosine"
    warmup: Annotated[float, Flag("warm-up: a share of the steps below 1, else a number of steps", minimum=0)] = 0.05
    weight_decay: Annotated[float, Flag("weight decay, on matrices", minimum=0)] = 0.0
    clip: Annotated[float, Flag("largest gradient norm; 0 does not clip", minimum=0)] = 1.0
    seed: Annotated[int, Flag("seed of order, dropout and new weights", minimum=0)] = 0

    @property
    def rows_per_step(self) -> int | None:
        """Rows of an optimizer step; None if it is measured in tokens."""
        return 8 if self.batch_size is None and self.batch_tokens is None else self.batch_size
