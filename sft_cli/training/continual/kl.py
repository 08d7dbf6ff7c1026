"""KL anchoring: the predictions of the old model on some rows stay the same."""

from __future__ import annotations

from collections.abc import Callable

from sft_cli.training.continual.protocol import Continual, Start


def kl(start: Start) -> Continual:
    """KL: λ · KL(old‖new) on old or self-generated rows in each step; their labels are not used.

    On new rows this is learning without forgetting (Li & Hoiem 2017); on old rows, dark knowledge replay (Buzzega et
    al. 2020); on rows that the model wrote itself, self-generated replay (arXiv 2605.26097).
    """
    return KlAnchor(start.anchor, start.strength)


class KlAnchor(Continual):
    """`anchor(step, strength)` adds the gradient of the rows of a step, and returns their mean KL in nats per token."""

    def __init__(self, anchor: Callable[[int, float], float], strength: float) -> None:
        self.anchor, self.strength = anchor, strength

    def backward(self, step: int) -> dict[str, float]:
        """Add the gradient of strength·KL; it is clipped together with the task's gradient."""
        return {"anchor_kl": self.anchor(step, self.strength)}
