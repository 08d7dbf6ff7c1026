"""Weights, random states and an optimizer's state as safetensors can hold them, and back: nothing is pickled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from sft_cli.run.errors import UserError
from sft_cli.training.processes.sharding import copy_part


def apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, without shared memory, which safetensors refuses."""
    seen: set[int] = set()
    separate = {}
    for name, tensor in tensors.items():
        held = tensor.detach().cpu().contiguous()
        place = held.untyped_storage().data_ptr()
        separate[name] = held.clone() if place in seen else held
        seen.add(place)
    return separate


def trained_weights(model: Any) -> dict[str, Tensor]:
    """The trained parameters, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def saved_weights(weights: dict[str, Tensor], folder: Path) -> dict[str, str]:
    """{name: file} of the weights that a checkpoint has under the same name, exactly equal."""
    places = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as tensors:
            for name in set(tensors.keys()) & set(weights):
                saved, weight = tensors.get_tensor(name), weights[name].detach().cpu()
                if saved.dtype == weight.dtype and torch.equal(saved, weight):
                    places[name] = path.name
    return places


def restore_weights(model: Any, folder: Path, places: dict[str, str]) -> None:
    """Read the trained weights from their files; for a sharded model the part of this process."""
    weights = trained_weights(model)
    if set(weights) != set(places):
        raise UserError(f"--resume: {folder}: the saved state has other trained weights than these settings")
    for file in sorted(set(places.values())):
        with safe_open(folder / file, "pt") as tensors:
            for name in (name for name, place in places.items() if place == file):
                copy_part(weights[name], tensors.get_tensor(name))


def random_states(model: Any) -> dict[str, Tensor]:
    """Torch's random states: of the CPU, and of the GPU that the model is on."""
    device = next(model.parameters()).device
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_random_states(model: Any, path: Path) -> None:
    """Restore the result of `random_states`."""
    device = next(model.parameters()).device
    with safe_open(path, "pt") as tensors:
        torch.set_rng_state(tensors.get_tensor("cpu").clone())
        if device.type == "cuda" and "cuda" in tensors.keys():  # noqa: SIM118 (not a dict)
            torch.cuda.set_rng_state(tensors.get_tensor("cuda").clone(), device)


def flatten(value: Any, tensors: dict[str, Tensor], name: str = "") -> Any:
    """`value` (dicts, lists, tuples, numbers, texts, tensors) as JSON; its tensors go to `tensors`, on the CPU.

    Keys of dicts keep their type. Raises TypeError for other types.
    """
    if isinstance(value, Tensor):
        tensors[name] = value.detach().cpu().contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[key, flatten(entry, tensors, f"{name}.{key}".strip("."))] for key, entry in value.items()]}
    if isinstance(value, list | tuple):
        entries = [flatten(entry, tensors, f"{name}.{place}".strip(".")) for place, entry in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": entries}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{name}: cannot save a {type(value).__name__}")


def unflatten(plain: Any, tensor: Callable[[str], Tensor]) -> Any:
    """The inverse of `flatten`; `tensor` returns each tensor by its name."""
    if not isinstance(plain, dict):
        return plain
    ((kind, content),) = plain.items()
    if kind == "tensor":
        return tensor(content)
    if kind == "dict":
        return {key: unflatten(entry, tensor) for key, entry in content}
    entries = [unflatten(entry, tensor) for entry in content]
    return tuple(entries) if kind == "tuple" else entries
