"""Progressive columns: a separate network for each task, beside a model that does not change."""

from __future__ import annotations

from typing import Any

from sft_cli.model.adapters import AdapterPlan


def progressive(model: Any, plan: AdapterPlan) -> Any:
    """Progressive columns: for each task a narrow network beside the model, which does not change (Rusu et al. 2016).

    Unlike the functions of other adapters, this returns the model itself.
    """
    from sft_cli.model.progressive.add import add_column

    return add_column(model, plan.column, plan.seed)


def progressive_lora(model: Any, plan: AdapterPlan) -> Any:
    """Progressive columns that are LoRAs: each reads the LoRAs before it through gates (after Rusu et al. 2016).

    Like `progressive`, this returns the model itself.
    """
    from sft_cli.model.progressive.add import add_lora_column

    assert plan.rank is not None
    return add_lora_column(model, plan.column, plan.rank, plan.alpha / plan.rank, plan.seed)
