"""FSDP2: each process holds a part of every weight, gradient and optimizer state."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from sft_cli.model.forward import inner_model


def shard(learner: Any, model: Any, device: str) -> Any:
    """`learner`, its model's layers and what is around them sharded over all processes, in place.

    Weights are gathered layer by layer when they are needed. What belongs to no layer (embedding, head, last norm)
    is gathered by the learner's own forward pass.
    """
    mesh = init_device_mesh(device.split(":")[0], (torch.distributed.get_world_size(),))
    names = set(getattr(inner_model(model), "_no_split_modules", None) or ())
    for module in list(model.modules()):
        if type(module).__name__ in names:
            fully_shard(module, mesh=mesh)
    return fully_shard(learner, mesh=mesh)


def whole_weights(model: Any, is_main: bool) -> dict[str, Tensor] | None:
    """All weights of a sharded model by name, on the CPU, for the main process; None for the others.

    Called by every process. One tensor at a time is whole elsewhere. Of tied weights the first name is given; of a
    model with frozen weights (LoRA) only those that train.
    """
    state = model.state_dict()  # first: it gives back shards also where a forward pass has left whole weights
    named = dict(model.named_parameters())
    has_frozen = not all(parameter.requires_grad for parameter in named.values())
    names = [name for name in state if name in named and (named[name].requires_grad or not has_frozen)]
    if not has_frozen:
        tied = dict(model.named_parameters(remove_duplicate=False))
        names += [name for name in state if name not in tied]  # buffers
    found = {}
    for name in names:
        value = state[name]
        value = value.full_tensor() if isinstance(value, DTensor) else value
        if is_main:
            found[name] = value.detach().cpu().clone()
    return found if is_main else None
