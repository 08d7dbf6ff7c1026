"""Linear layers with weights in the layout for a CPU's bfloat16 products, made once instead of at every call."""

from __future__ import annotations

import types
from typing import Any

import torch
from torch import Tensor, nn

from sft_cli.model.device import onednn_takes_bfloat16

MOST_BYTES = 4 << 30  # of weights that are copied; with larger weights the layout takes only a small share of the time
HEIGHT = 64  # rows for which the layout is made; it is not slower for other numbers


def pack_linears(model: Any) -> int:
    """Add packed copies of the weights to the linear layers of a bfloat16 model on a CPU; return their number.

    For models that only generate: later training does not change the copy. A layer is not changed if its result on
    random numbers would differ in a bit. No layer is changed if the weights are larger than `MOST_BYTES`, or if oneDNN
    does not support bfloat16 on this CPU.
    """
    layers = [module for module in model.modules() if type(module) is nn.Linear and _is_narrow(module.weight)]
    size = sum(layer.weight.nbytes for layer in layers)
    has_operator = hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    if size > MOST_BYTES or not has_operator or not onednn_takes_bfloat16():
        return 0
    return sum(_pack(layer) for layer in layers)


def _is_narrow(weight: Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.bfloat16


def _pack(layer: nn.Linear) -> bool:
    with torch.inference_mode():
        packed = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), HEIGHT)
        numbers = torch.randn(HEIGHT, layer.in_features, generator=torch.Generator().manual_seed(0))
        numbers = numbers.to(layer.weight.dtype)
        if not torch.equal(_linear(numbers, packed, layer.bias), layer(numbers)):
            return False

    def forward(self: nn.Linear, x: Tensor) -> Tensor:
        return _linear(x, packed, self.bias)

    layer.forward = types.MethodType(forward, layer)  # type: ignore[method-assign]
    return True


def _linear(x: Tensor, packed: Tensor, bias: Tensor | None) -> Tensor:
    y: Tensor = torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")
    return y
