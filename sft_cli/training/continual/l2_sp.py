"""L2-SP: back to the starting point, every weight alike."""

from __future__ import annotations

from sft_cli.training.continual.protocol import Continual, Start
from sft_cli.training.continual.pull import QuadraticPenalty, pulls


def l2_sp(start: Start) -> Continual:
    """L2-SP: λ/2 · ‖θ − θ*‖², θ* the weights that training started from (Li et al. 2018, eq. 2).

    Weight decay is another thing: on full weights it pulls to 0, away from the start; on a LoRA's factors to the base.
    """
    return QuadraticPenalty("l2-sp", pulls(start.model, None), start.strength, start.mode, add_up=start.add_up)
