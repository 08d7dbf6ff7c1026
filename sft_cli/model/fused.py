"""Cheaper forms of a model's small layers: same numbers, fewer passes over memory, less memory for the backward pass.

A layer is replaced only if its forward returns the same as ours on a few random numbers.
"""

from __future__ import annotations

import types
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sft_cli.model.cpu_attention import at_least_float32

TOLERANCE = 1e-5


def fuse_layers(model: Any) -> dict[str, int]:
    """Replace the forward of RMS norms and gated MLPs, in place; return the number of each."""
    replaced = {"norms": 0, "gates": 0}
    for module in model.modules():
        if _is_rms_norm(module):
            module.forward = types.MethodType(_rms_norm_forward, module)
            replaced["norms"] += 1
        elif _is_gated_mlp(module):
            module.forward = types.MethodType(_gated_mlp_forward, module)
            replaced["gates"] += 1
    return replaced


def rms_norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """x / √(mean(x²) + ε) · weight over the last dimension; under autocast the result has autocast's number format.

    x (…, d), weight (d,). Computed in float32 or wider. Source: Zhang and Sennrich 2019, eq. 4.
    """
    device = x.device.type
    narrow = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
    out: Tensor = _RmsNorm.apply(x, weight, epsilon, narrow)
    return out


class _RmsNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float, narrow: torch.dtype) -> Tensor:
        wide = at_least_float32(x)
        square = torch.linalg.vector_norm(wide, dim=-1, keepdim=True).square_()
        scale = square.div_(x.shape[-1]).add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, weight, scale)
        return (wide * scale).mul_(weight).to(narrow)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *outputs: Tensor) -> Any:
        x, weight, scale = ctx.saved_tensors
        size = x.shape[-1]
        wide, factor = at_least_float32(x).reshape(-1, size), scale.reshape(-1, 1)
        grad = outputs[0].reshape(-1, size).to(wide.dtype)
        with torch.autocast(x.device.type, enabled=False):
            product = grad * wide
            inner = torch.mv(product, weight.to(wide.dtype))[:, None]
            grad_weight = torch.mv(product.t(), factor[:, 0]).to(weight.dtype) if ctx.needs_input_grad[1] else None
            if not ctx.needs_input_grad[0]:  # for example the norm of a column on the states of a frozen model
                return None, grad_weight, None, None
            # dx = r·(g·w) − x·r³/d·Σ(g·w·x), with r the scale
            # Into new memory: to overwrite `product`, which both cores have just read, takes five times as long.
            grad_x = (grad * weight).mul_(factor)
            grad_x.addcmul_(wide, inner * factor.pow(3), value=-1.0 / size)
        return grad_x.reshape(x.shape).to(x.dtype), grad_weight, None, None


def gated(gate: Tensor, up: Tensor) -> Tensor:
    """silu(gate)·up; keeps only its two inputs for the backward pass (Shazeer 2020, eq. 6)."""
    out: Tensor = _Gated.apply(gate, up)
    return out


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        ctx.save_for_backward(gate, up)
        return functional.silu(gate).mul_(up)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor, Tensor]:
        gate, up = ctx.saved_tensors
        grad = outputs[0]
        grad_up = functional.silu(gate).mul_(grad)
        return torch.ops.aten.silu_backward(grad * up, gate), grad_up


def _rms_norm_forward(self: Any, hidden_states: Tensor) -> Tensor:
    return rms_norm(hidden_states, self.weight, self.variance_epsilon)


def _gated_mlp_forward(self: Any, x: Tensor) -> Any:
    return self.down_proj(gated(self.gate_proj(x), self.up_proj(x)))


def _is_rms_norm(module: Any) -> bool:
    weight = getattr(module, "weight", None)
    if not type(module).__name__.endswith("RMSNorm") or not hasattr(module, "variance_epsilon") or weight is None:
        return False
    return _agrees(module, _rms_norm_forward, weight)


def _is_gated_mlp(module: Any) -> bool:
    names = ("gate_proj", "up_proj", "down_proj", "act_fn")
    if not type(module).__name__.endswith("MLP") or not all(hasattr(module, name) for name in names):
        return False
    return _agrees(module, _gated_mlp_forward, module.gate_proj.weight)


def _agrees(module: Any, forward: Any, weight: Tensor) -> bool:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(3, weight.shape[-1], generator=draw).to(weight.device, weight.dtype)
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        theirs, ours = module(x), forward(module, x)
    return theirs.dtype == ours.dtype and torch.allclose(ours, theirs, rtol=TOLERANCE, atol=TOLERANCE)
