"""(IA)³: a factor for each channel."""

from __future__ import annotations

from typing import Any

from sft_cli.model.adapters import AdapterPlan
from sft_cli.model.adapters.targets import linear_layers


def ia3(model: Any, plan: AdapterPlan) -> Any:
    """IA3: a trained factor on each key, value and feed-forward channel, 1 at the start (Liu et al. 2022, section 3.3).

    The factors of a feed-forward layer are on its input, those of others on their output. If peft does not know these
    layers of an architecture, every linear layer except the head gets factors on its output.
    """
    from peft import IA3Config
    from peft.utils import constants

    kind = model.config.model_type
    usual = constants.TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING.get(kind)
    inner = constants.TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING.get(kind) or []
    targets = list(plan.targets or usual or linear_layers(model, ()))
    feedforward = [name for name in targets if name.split(".")[-1] in inner]
    return IA3Config(target_modules=targets, feedforward_modules=feedforward, task_type="CAUSAL_LM")
