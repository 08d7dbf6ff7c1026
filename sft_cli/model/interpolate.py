"""The straight line between two models' weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


@torch.no_grad()
def interpolate(base: Mapping[str, Tensor], tuned: Mapping[str, Tensor], share: float) -> None:
    """Set `tuned` to (1 − share)·base + share·tuned, in place; 0 is exactly the base and 1 exactly the tuned weights.

    base, tuned: parameters by name, each once. Source: WiSE-FT (Wortsman et al. 2022, arXiv 2109.01903), eq. 1. Raises
    ValueError, naming the first weight that differs, if the two do not have the same weights.
    """
    names = [*base, *(name for name in tuned if name not in base)]
    for name in names:
        left, right = (tuple(side[name].shape) if name in side else None for side in (base, tuned))
        if left != right:
            raise ValueError(f"{name}: {left or 'missing'} in the base, {right or 'missing'} in the tuned model")
    for name, weight in tuned.items():
        weight.copy_(torch.lerp(base[name].to(weight.dtype), weight, share))
