"""What a LoRA changes of a model: s·B·A beside each of some weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class LowRank:
    """One layer: `name` of the weight in the model without an adapter, A (r, in), B (out, r), s.

    weight is the base's own; is_transposed says that it is stored as (in, out).
    """

    name: str
    weight: Tensor
    a: Tensor
    b: Tensor
    scale: float
    is_transposed: bool = False

    def as_product(self, tensor: Tensor) -> Tensor:
        """A tensor of the weight's shape, laid out as B·A is."""
        found = tensor.T if self.is_transposed else tensor
        return found.to(self.a.device).contiguous()


def low_rank_layers(model: Any) -> list[LowRank]:
    """The layers that a plain LoRA is on, in the model's order; none for a model without one."""
    if not hasattr(model, "peft_config"):
        return []
    found = []
    for name, module in model.named_modules():
        if "default" in getattr(module, "lora_A", {}):
            base = module.get_base_layer()
            found.append(
                LowRank(
                    name.removeprefix("base_model.model.") + ".weight",
                    base.weight,
                    module.lora_A["default"].weight,
                    module.lora_B["default"].weight,
                    module.scaling["default"],
                    bool(getattr(module, "fan_in_fan_out", False)),
                )
            )
    return found
