"""The change of a model by a LoRA: s·B·A beside some weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class LowRank:
    """One layer: `name` of the weight in the model without an adapter, A (r, in), B (out, r), s.

    weight is that of the base; is_transposed: it is stored as (in, out).
    """

    name: str
    weight: Tensor
    a: Tensor
    b: Tensor
    scale: float
    is_transposed: bool = False

    def as_product(self, tensor: Tensor) -> Tensor:
        """A tensor of the weight's shape in the layout of B·A."""
        matrix = tensor.T if self.is_transposed else tensor
        return matrix.to(self.a.device).contiguous()


def low_rank_layers(model: Any) -> list[LowRank]:
    """The layers with a plain LoRA, in the model's order; empty for a model without LoRA."""
    if not hasattr(model, "peft_config"):
        return []
    layers = []
    for name, module in model.named_modules():
        if "default" in getattr(module, "lora_A", {}):
            base = module.get_base_layer()
            layers.append(
                LowRank(
                    name.removeprefix("base_model.model.") + ".weight",
                    base.weight,
                    module.lora_A["default"].weight,
                    module.lora_B["default"].weight,
                    module.scaling["default"],
                    bool(getattr(module, "fan_in_fan_out", False)),
                )
            )
    return layers
