"""Optimizers by name: `(model, settings) -> torch.optim.Optimizer` over the weights that train."""

from __future__ import annotations

from typing import Any

import torch

from sft_cli.model.adapters import LORA_PLUS_RATIO


def groups_of(model: Any, settings: Any) -> list[dict[str, Any]]:
    """The trained weights, in groups of equal weight decay and rate; the rate of a group is `lr_scale` × the rate.

    Matrices have weight decay; vectors do not, nor do the factors of IA3, whose neutral value is 1 and not 0.
    """
    ratio = LORA_PLUS_RATIO if settings.lora_plus_ratio is None else settings.lora_plus_ratio
    weights: dict[tuple[bool, float], list[Any]] = {}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            is_fast = settings.adapter == "lora-plus" and ".lora_B." in name
            decays = weight.ndim >= 2 and ".ia3_" not in name
            weights.setdefault((decays, ratio if is_fast else 1.0), []).append(weight)
    return [
        {
            "params": weights[decays, scale],
            "weight_decay": settings.weight_decay if decays else 0.0,
            "lr": settings.peak_learning_rate * scale,
            "lr_scale": scale,
            "decays": decays,
        }
        for decays, scale in sorted(weights, key=lambda key: (not key[0], key[1]))
    ]


def adam_options(settings: Any) -> dict[str, Any]:
    """The decay of the moments and epsilon; default: 0.9, 0.999 and 1e-8."""
    given = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    given |= {name: getattr(settings, name) for name in given if getattr(settings, name) is not None}
    return {"betas": (given["beta1"], given["beta2"]), "eps": given["epsilon"]}


def state_bytes(settings: Any) -> float:
    """Bytes of the optimizer for each trained weight; the vectors of Adafactor are too small to count."""
    if settings.optimizer == "sgd":
        return 4.0 if settings.momentum else 0.0
    return {"adamw": 8.0, "adamw-8bit": 2.0, "adafactor": 0.0, "muon": 4.0}[settings.optimizer]


def adamw(model: Any, settings: Any) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019), fused; weight decay only on matrices; 8 bytes of memory per weight."""
    options = adam_options(settings)
    optimizer = torch.optim.AdamW(groups_of(model, settings), lr=settings.peak_learning_rate, fused=True, **options)
    for group in optimizer.param_groups:
        for weight in group["params"]:
            # Make the moments before the first activations, not in the first step: otherwise they would be scattered in
            # the memory of the activations, and the peak would be higher by a tenth.
            optimizer.state[weight] = {
                "step": torch.zeros((), dtype=torch.float32, device=weight.device),
                "exp_avg": torch.zeros_like(weight, memory_format=torch.preserve_format),
                "exp_avg_sq": torch.zeros_like(weight, memory_format=torch.preserve_format),
            }
    return optimizer


def adamw_8bit(model: Any, settings: Any) -> torch.optim.Optimizer:
    """AdamW with 8-bit moments (Dettmers et al. 2022), 32 bits for embeddings; 2 bytes per weight.

    Needs bitsandbytes.
    """
    import bitsandbytes

    manager = bitsandbytes.optim.GlobalOptimManager.get_instance()
    manager.initialize()  # the manager is shared in the process: without this, exceptions of another optimizer apply
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):
            manager.register_module_override(module, "weight", {"optim_bits": 32})
    groups = groups_of(model, settings)
    optimizer: torch.optim.Optimizer = bitsandbytes.optim.AdamW8bit(
        groups, lr=settings.peak_learning_rate, **adam_options(settings)
    )
    return optimizer


def adafactor(model: Any, settings: Any) -> torch.optim.Optimizer:
    """Adafactor (Shazeer and Stern 2018) with a given rate; two vectors of memory for each matrix.

    Steps are not relative to the size of the weights: relative steps would hardly move a LoRA, which starts at 0. A
    step moves the weights of a matrix by at most the learning rate (root mean square), like a step of AdamW. (torch
    scales by max(eps₂, size of the weights), so eps₂ = 1 does not change the rate.)
    """
    groups = groups_of(model, settings)
    return torch.optim.Adafactor(groups, lr=settings.peak_learning_rate, eps=(None, 1.0))


def sgd(model: Any, settings: Any) -> torch.optim.Optimizer:
    """Stochastic gradient descent; no memory without --momentum; needs large rates (0.1 for every weight)."""
    momentum = settings.momentum or 0.0
    return torch.optim.SGD(groups_of(model, settings), lr=settings.peak_learning_rate, momentum=momentum)
