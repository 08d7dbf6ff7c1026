"""What is tuned: the model, and which of its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sft_cli.run.flags import Flag


@dataclass(frozen=True, kw_only=True)
class TuningSettings:
    """The model to start from, and what of it trains."""

    model: Annotated[
        str, Flag("what to start from: a directory, a hub id, a .gguf file, or smollm2-135m-instruct", reads=True)
    ]
    adapter: Annotated[str, Flag("what to train: every weight, or a LoRA", choices=("none", "lora"))] = "none"
    rank: Annotated[int, Flag("rank of the LoRA", minimum=1)] = 16
    lora_alpha: Annotated[int | None, Flag("scale of the LoRA (alpha); 2 × rank if not given", minimum=1)] = None
    lora_dropout: Annotated[float, Flag("dropout on the LoRA's input", minimum=0, maximum=0.99)] = 0.0
