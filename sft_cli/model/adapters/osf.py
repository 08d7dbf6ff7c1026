"""OSF: what a weight does most stays as it is."""

from __future__ import annotations

import re
from typing import Any

from sft_cli.model.adapters import AdapterPlan
from sft_cli.model.adapters.targets import check_rank, linear_layers


def osf(model: Any, plan: AdapterPlan) -> Any:
    """OSF: trains each weight's smallest singular directions only, at right angles to the rest (Nayak et al. 2025).

    The rank is how many directions of each weight train; half of them if it is None. (peft counts those that stay.)
    """
    from peft import OSFConfig

    layers = linear_layers(model, plan.targets)
    check_rank(plan, layers, most=lambda layer: min(layer.weight.shape) - 1)
    kept = {}
    if plan.rank is not None:
        kept = {re.escape(name) + "$": min(layer.weight.shape) - plan.rank for name, layer in layers.items()}
    return OSFConfig(target_modules=list(layers), rank_pattern=kept, task_type="CAUSAL_LM")
