"""FSDP2: each process has a part of every weight, gradient and optimizer state."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Shard

from sft_cli.model.forward import inner_model
from sft_cli.model.shards import local, rows_of
from sft_cli.run.errors import UserError
from sft_cli.run.output import sync
from sft_cli.training.processes.world import World


def shard(learner: Any, model: Any, device: str) -> Any:
    """`learner`, with its model's layers and its other weights sharded over all processes, in place.

    Weights are gathered layer by layer when they are needed. Weights outside layers (embedding, head, last norm) are
    gathered by the forward pass of the learner.
    """
    mesh = init_device_mesh(device.split(":")[0], (torch.distributed.get_world_size(),))
    names = set(getattr(inner_model(model), "_no_split_modules", None) or ())
    for module in list(model.modules()):
        if type(module).__name__ in names:
            fully_shard(module, mesh=mesh)
    return fully_shard(learner, mesh=mesh)


def whole_weights(model: Any, is_main: bool) -> dict[str, Tensor] | None:
    """All weights of a sharded model by name, on the CPU, for the main process; None for the others.

    Called by every process. In other processes one tensor at a time is whole. Of tied weights only the first name is
    returned; of a model with an adapter only the trained weights.
    """
    state = model.state_dict()  # first: it restores shards if a forward pass has left whole weights
    named = dict(model.named_parameters())
    is_adapter = hasattr(model, "peft_config")
    names = [name for name in state if name in named and (named[name].requires_grad or not is_adapter)]
    if not is_adapter:
        tied = dict(model.named_parameters(remove_duplicate=False))
        names += [name for name in state if name not in tied]  # buffers
    weights = {}
    for name in names:
        value = state[name]
        value = value.full_tensor() if isinstance(value, DTensor) else value
        if is_main:
            weights[name] = value.detach().cpu().clone()
    return weights if is_main else None


def save_sharded(folder: Path, model: Any, optimizer: torch.optim.Optimizer, world: World) -> None:
    """Write the trained weights and the optimizer's state into `folder`, each process its own part. Called by all.

    One safetensors file for each process; its header lists the tensors and rows in it. torch's format for this
    (distributed.checkpoint) stores its index as a pickle, and sft never unpickles. When it returns, all parts are
    written.
    """
    parts: dict[str, Tensor] = {}
    index: dict[str, Any] = {"processes": world.size, "starts": {}, "rows": {}, "values": {}}
    for name, value in _tensors(model, optimizer):
        if isinstance(value, DTensor):
            assert value.placements == (Shard(0),), f"{name}: {value.placements}"
            index["starts"][name], index["rows"][name] = rows_of(value)[0], len(value)
            parts[name] = value.to_local().detach().cpu().contiguous()
        elif world.is_main and isinstance(value, Tensor):
            parts[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        elif world.is_main:
            index["values"][name] = value
    path = folder / f"shard-{world.rank:05d}.safetensors"
    save_file(parts, path, {"index": json.dumps(index)})
    sync(path)
    world.wait_for_all()


def load_sharded(folder: Path, model: Any, optimizer: torch.optim.Optimizer) -> None:
    """Restore the parts of `save_sharded`, on any number of processes, sharded or not.

    Raises UserError for a missing part. `optimizer` is new, before its first step.
    """
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(safe_open(path, "pt")) for path in sorted(folder.glob("shard-[0-9]*.safetensors"))]
        indices = [json.loads(file.metadata()["index"]) for file in files]
        expected = indices[0]["processes"] if indices else "some"
        if expected != len(files):
            raise UserError(f"{folder}: expected {expected} files shard-*.safetensors, got {len(files)}")
        where: dict[str, list[tuple[int, Any]]] = {}
        for file, index in zip(files, indices, strict=True):
            for name in file.keys():  # noqa: SIM118 (not a dict)
                where.setdefault(name, []).append((index["starts"].get(name, 0), file))
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                with torch.no_grad():
                    local(parameter).copy_(_read_tensor(f"weights/{name}", where, rows_of(parameter)))
                optimizer.state[parameter] = _state_of(name, parameter, where, indices[0])


def _state_of(
    name: str, parameter: Tensor, where: dict[str, list[tuple[int, Any]]], index: dict[str, Any]
) -> dict[str, Any]:
    prefix = f"optimizer/{name}/"
    state = {key.removeprefix(prefix): value for key, value in index["values"].items() if key.startswith(prefix)}
    for key in (key for key in where if key.startswith(prefix)):
        if key not in index["rows"]:
            whole = where[key][0][1].get_tensor(key)  # a number of steps: on the CPU, as in AdamW unless it is fused
            state[key.removeprefix(prefix)] = whole.to(parameter.device)
            continue
        state[key.removeprefix(prefix)] = _laid_out_as(parameter, _read_tensor(key, where, rows_of(parameter)))
    return state


def copy_part(parameter: Tensor, whole: Tensor) -> None:
    """Copy `whole`, or the rows of this process, into a weight."""
    first, last = rows_of(parameter)
    with torch.no_grad():
        local(parameter).copy_(whole[first:last] if isinstance(parameter, DTensor) else whole)


def cut_optimizer_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    """The whole state of an optimizer (`state_dict`), cut to the rows of each weight in this process."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    if not any(isinstance(weight, DTensor) for weight in weights):
        return state
    cut: dict[int, dict[str, Any]] = {}
    for number, entries in state["state"].items():
        first, last = rows_of(weights[number])
        cut[number] = {
            key: _laid_out_as(weights[number], value[first:last])
            if isinstance(value, Tensor) and value.shape == weights[number].shape
            else value
            for key, value in entries.items()
        }
    return {**state, "state": cut}


def _laid_out_as(parameter: Tensor, local: Tensor) -> Tensor:
    """The rows of this process as a tensor that is sharded, or whole, like the parameter."""
    local = local.to(parameter.device)
    if not isinstance(parameter, DTensor):
        return local
    return DTensor.from_local(
        local, parameter.device_mesh, parameter.placements, shape=parameter.shape, stride=parameter.stride()
    )


def _tensors(model: Any, optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, Any]]:
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            yield f"weights/{name}", parameter
            for key, value in optimizer.state.get(parameter, {}).items():
                yield f"optimizer/{name}/{key}", value


def _read_tensor(name: str, where: dict[str, list[tuple[int, Any]]], rows: tuple[int, int]) -> Tensor:
    """Rows of a tensor that is stored in several files."""
    parts = []
    for start, file in sorted(where[name], key=lambda place: place[0]):
        part = file.get_slice(name)
        first, last = max(rows[0] - start, 0), min(rows[1] - start, part.get_shape()[0])
        if first < last:
            parts.append(part[first:last])
    return torch.cat(parts) if parts else where[name][0][1].get_slice(name)[:0]
