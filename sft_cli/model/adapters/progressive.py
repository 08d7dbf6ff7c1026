"""Progressive columns: a network of its own for each task, beside a model that does not change."""

from __future__ import annotations

from typing import Any

from sft_cli.model.adapters import AdapterPlan


def progressive(model: Any, plan: AdapterPlan) -> Any:
    """Progressive columns: for each task a narrow network beside the model, which stays as it is (Rusu et al. 2016).

    Unlike the other adapters' functions this gives the model itself.
    """
    from sft_cli.model.progressive.add import add_column

    column = plan.column
    return add_column(model, column.name, column.ratio, column.stride, column.laterals, plan.seed)
