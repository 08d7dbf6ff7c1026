"""CorDA: a LoRA that starts along directions from the activations of some rows."""

from __future__ import annotations

from typing import Any

from sft_cli.model.adapters import AdapterPlan
from sft_cli.model.adapters.lora import lora_config
from sft_cli.model.adapters.targets import check_rank, linear_layers
from sft_cli.run.errors import UserError


def corda(model: Any, plan: AdapterPlan) -> Any:
    """CorDA: LoRA that starts along directions of each weight that rows choose (Yang et al. 2024, section 3).

    With C the covariance of a layer's inputs, the singular values of W·C measure how important each direction is for
    the rows. With rows of the task, the largest are trained ("instruction previewed"). With rows to preserve
    (`keeps_old`), the smallest are trained and the important directions stay frozen ("knowledge preserved"). Raises
    UserError if all inputs of some layer are zero.
    """
    from peft.tuners.lora.config import CordaConfig
    from peft.tuners.lora.corda import preprocess_corda

    layers = linear_layers(model, plan.targets)
    check_rank(plan, layers)
    method = CordaConfig(corda_method="kpm" if plan.keeps_old else "ipm", verbose=False)
    config = lora_config(plan, init_lora_weights="corda", corda_config=method)
    config.target_modules = set(layers)  # the preparation does not support "all-linear"
    assert plan.calibrate is not None
    calibrate = plan.calibrate
    try:
        preprocess_corda(model, config, run_model=lambda: calibrate(model))
    except ValueError as error:  # a layer with only zeros as inputs: its covariance is 0/0
        raise UserError(
            f"--adapter corda: these rows give a layer only zeros, so CorDA has no initial weights: {error}\n"
            "hint: other rows, or --adapter lora, which computes nothing from rows"
        ) from error
    return config
