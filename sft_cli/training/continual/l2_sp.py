"""L2-SP: a pull to the starting point, equal for every weight."""

from __future__ import annotations

from sft_cli.training.continual.protocol import Continual, Start
from sft_cli.training.continual.pull import QuadraticPenalty, pulls


def l2_sp(start: Start) -> Continual:
    """L2-SP: λ/2 · ‖θ − θ*‖², θ* the weights that training started from (Li et al. 2018, eq. 2).

    Weight decay is different: on full weights it pulls to 0, away from the start; on the factors of a LoRA, to the
    base.
    """
    return QuadraticPenalty("l2-sp", pulls(start.model, None), start.strength, start.mode, add_up=start.add_up)
