"""The loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from sft_cli.losses import LOSSES
from sft_cli.run.flags import Flag


@dataclass(frozen=True, kw_only=True)
class LossSettings:
    """The loss and its options, weights of tokens, noise. An option that is not given has its default."""

    group: ClassVar[str] = "Loss"

    loss: Annotated[str, Flag("loss function", choices=LOSSES, is_usual=True)] = "cross-entropy"
    focal_gamma: Annotated[float | None, Flag("γ of --loss focal; 0 is cross-entropy [default: 2]", minimum=0)] = None
    label_smoothing: Annotated[
        float | None, Flag("α of --loss label-smoothing; 0 is cross-entropy [default: 0.1]", minimum=0, maximum=1)
    ] = None
    token_weights: Annotated[
        str | None, Flag("TOML file with rules for the weights of target tokens", reads=True, metavar="FILE")
    ] = None
    neftune_alpha: Annotated[
        float | None,
        Flag("strength α of NEFTune noise on the input embeddings, usually 5 to 15 [default: no noise]", above=0),
    ] = None
