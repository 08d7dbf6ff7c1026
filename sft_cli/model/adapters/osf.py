"""OSF: the largest directions of a weight do not change."""

from __future__ import annotations

import re
from typing import Any

from sft_cli.model.adapters import AdapterPlan
from sft_cli.model.adapters.targets import check_rank, linear_layers


def osf(model: Any, plan: AdapterPlan) -> Any:
    """OSF: trains only the smallest singular directions of each weight, orthogonal to the rest (Nayak et al. 2025).

    The rank is the number of trained directions of each weight; None: half of them. (peft counts the others.)
    """
    from peft import OSFConfig

    layers = linear_layers(model, plan.targets)
    check_rank(plan, layers, most=lambda layer: min(layer.weight.shape) - 1)
    kept = {}
    if plan.rank is not None:
        kept = {re.escape(name) + "$": min(layer.weight.shape) - plan.rank for name, layer in layers.items()}
    return OSFConfig(target_modules=list(layers), rank_pattern=kept, task_type="CAUSAL_LM")
