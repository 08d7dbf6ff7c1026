"""An optimizer's state as JSON and named tensors, and back: what safetensors can hold, without pickle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor


def flatten(value: Any, tensors: dict[str, Tensor], name: str = "") -> Any:
    """`value` (dicts, lists, tuples, numbers, texts, tensors) as JSON; its tensors go to `tensors`, on the CPU.

    Keys of dicts keep their type. Raises TypeError for anything else.
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
    """What `flatten` was given; `tensor` gives each tensor by its name."""
    if not isinstance(plain, dict):
        return plain
    ((kind, content),) = plain.items()
    if kind == "tensor":
        return tensor(content)
    if kind == "dict":
        return {key: unflatten(entry, tensor) for key, entry in content}
    entries = [unflatten(entry, tensor) for entry in content]
    return tuple(entries) if kind == "tuple" else entries
