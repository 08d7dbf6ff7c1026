"""What is minimised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sft_cli.losses import LOSSES
from sft_cli.run.flags import Flag


@dataclass(frozen=True, kw_only=True)
class LossSettings:
    """The loss and its options, weights of tokens, noise. A loss's option is None where its own default holds."""

    loss: Annotated[str, Flag("what is minimised", choices=LOSSES)] = "cross-entropy"
    focal_gamma: Annotated[float | None, Flag("γ of --loss focal; 2 if not given, 0 is cross-entropy", minimum=0)] = (
        None
    )
    label_smoothing: Annotated[
        float | None, Flag("α of --loss label-smoothing; 0.1 if not given, 0 is cross-entropy", minimum=0, maximum=1)
    ] = None
    token_weights: Annotated[
        str | None, Flag("a TOML file of rules that weigh target tokens", reads=True, metavar="FILE")
    ] = None
    neftune_alpha: Annotated[
        float | None,
        Flag("noise on the input embeddings (NEFTune): its α, 5 to 15 as a rule; none if not given", above=0),
    ] = None
