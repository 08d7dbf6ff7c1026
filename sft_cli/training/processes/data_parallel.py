"""A model in several processes: DDP or FSDP2 around a module whose forward is the objective."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from sft_cli.model.forward import Batch
from sft_cli.training.objective import Objective
from sft_cli.training.processes.sharding import shard
from sft_cli.training.processes.world import World


class Learner(torch.nn.Module):
    """A module whose forward is an objective of its model: DDP and FSDP2 act on the forward pass of their module."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, objective: Objective, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The result of the objective."""
        return objective(self.model, batch)


def join(model: Any, world: World, device: str, is_sharded: bool) -> None:
    """Connect `model` with the other processes: the same weights everywhere, gradients added over all processes.

    Call it before the optimizer is made: FSDP2 replaces the parameters of the model with shards.
    """
    if world.store is None:
        return
    world.is_sharded = is_sharded
    learner = Learner(model)
    if is_sharded:
        world.learner = shard(learner, model, device)
    else:
        devices = [torch.device(device)] if device.startswith("cuda") else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # newer versions rename broadcast_buffers
            world.learner = torch.nn.parallel.DistributedDataParallel(
                learner, device_ids=devices, broadcast_buffers=False, gradient_as_bucket_view=True
            )


def group_gradients(model: Any, world: World, objective: Objective, batch: Batch) -> None:
    """Let DDP group gradients for good before step 1, by a pass over some batch that changes nothing.

    DDP regroups them after its first backward pass; how they are grouped decides in which order three or more
    processes add them up, and a resumed run would add up its first step in another one than it did before.
    """
    if world.learner is None or world.is_sharded:
        return
    total, _ = through(world, objective)(model, batch)
    (total * 0.0).backward()
    model.zero_grad()


def through(world: World, objective: Objective) -> Objective:
    """The objective, computed by the learner of the world; unchanged in a world of one."""
    if world.learner is None:
        return objective

    def shared(model: Any, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        learner = world.learner  # not kept: `leave` lets go of it
        if not torch.is_grad_enabled():
            if not world.is_sharded:
                return learner.module(objective, batch)  # without gradients DDP is not needed
            result = learner(objective, batch)
            learner.reshard()  # otherwise the outermost weights stay whole, and a new optimizer would train copies
            return result
        total, parts = learner(objective, batch)
        # DDP and FSDP2 average gradients over processes; the sum of the step is already divided by all its weights.
        return total * world.size, parts

    return shared
