"""The flags of `train` and `distill`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from sft_cli.losses import LOSSES
from sft_cli.run.flags import Common, Flag, ReadsRows, RunsModel
from sft_cli.training.schedule import SCHEDULES


@dataclass(frozen=True, kw_only=True)
class TrainSettings(Common, ReadsRows, RunsModel):
    """Flags of `sft train`."""

    data: Annotated[
        list[str], Flag("rows as `sft prep` writes them; - is stdin", positional=True, reads=True, metavar="DATA")
    ] = field(default_factory=lambda: ["-"])
    model: Annotated[
        str, Flag("what to start from: a directory, a hub id, a .gguf file, or smollm2-135m-instruct", reads=True)
    ]
    eval_data: Annotated[
        list[str], Flag("rows for the held-out loss; may be given several times", reads=True, metavar="FILE")
    ] = field(default_factory=list)
    eval_every: Annotated[
        int | None, Flag("also measure the held-out loss every N steps, not only after each epoch", minimum=1)
    ] = None
    adapter: Annotated[str, Flag("what to train: every weight, or a LoRA", choices=("none", "lora"))] = "none"
    rank: Annotated[int, Flag("rank of the LoRA", minimum=1)] = 16
    lora_alpha: Annotated[int | None, Flag("scale of the LoRA (alpha); 2 × rank if not given", minimum=1)] = None
    lora_dropout: Annotated[float, Flag("dropout on the LoRA's input", minimum=0, maximum=0.99)] = 0.0
    loss: Annotated[str, Flag("what is minimised", choices=LOSSES)] = "cross-entropy"
    targets: Annotated[str, Flag("which assistant turns are learned", choices=("all", "last"))] = "all"
    epochs: Annotated[int, Flag("passes over the rows", minimum=1)] = 1
    max_steps: Annotated[int | None, Flag("stop after this many optimizer steps", minimum=1)] = None
    batch_size: Annotated[int, Flag("rows per optimizer step", minimum=1)] = 8
    microbatch_tokens: Annotated[
        int, Flag("tokens computed at a time: a matter of memory, never of the result", minimum=1)
    ] = 2048
    max_length: Annotated[int | None, Flag("longest row in tokens; the model's context if not given", minimum=2)] = None
    overflow: Annotated[
        str, Flag("a row that is too long: an error, dropped, or cut at its end", choices=("error", "drop", "truncate"))
    ] = "error"
    learning_rate: Annotated[
        float | None, Flag("peak learning rate; 2e-5 for every weight, 2e-4 for a LoRA if not given", above=0)
    ] = None
    schedule: Annotated[str, Flag("how the learning rate goes on after the warm-up", choices=SCHEDULES)] = "cosine"
    warmup: Annotated[float, Flag("warm-up: a share of the steps below 1, else a number of steps", minimum=0)] = 0.05
    weight_decay: Annotated[float, Flag("AdamW's weight decay, on matrices", minimum=0)] = 0.0
    clip: Annotated[float, Flag("largest gradient norm; 0 does not clip", minimum=0)] = 1.0
    seed: Annotated[int, Flag("seed of order, dropout and new weights", minimum=0)] = 0

    @property
    def peak_learning_rate(self) -> float:
        """The learning rate, or the default of the tuning method."""
        return self.learning_rate or (2e-4 if self.adapter == "lora" else 2e-5)


@dataclass(frozen=True, kw_only=True)
class DistillSettings(TrainSettings):
    """Flags of `sft distill`."""

    teacher: Annotated[str, Flag("the model to learn from; same tokenizer as the student", reads=True)]
    alpha: Annotated[
        float, Flag("weight of cross-entropy; 1 − alpha is the weight of T²·KL(teacher‖student)", minimum=0, maximum=1)
    ] = 0.5
    temperature: Annotated[float, Flag("T: both distributions are softened by it", above=0)] = 2.0
