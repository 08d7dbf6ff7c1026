"""What is tuned: which of the model's weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sft_cli.run.flags import Flag


@dataclass(frozen=True, kw_only=True)
class TuningSettings:
    """Which weights of the model train."""

    adapter: Annotated[str, Flag("what to train: every weight, or a LoRA", choices=("none", "lora"))] = "none"
    rank: Annotated[int, Flag("rank of the LoRA", minimum=1)] = 16
    lora_alpha: Annotated[int | None, Flag("scale of the LoRA (alpha); 2 × rank if not given", minimum=1)] = None
    lora_dropout: Annotated[float, Flag("dropout on the LoRA's input", minimum=0, maximum=0.99)] = 0.0
