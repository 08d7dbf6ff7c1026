"""The number format that weights are stored in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sft_cli.model.load import config_at
from sft_cli.model.names import source_of
from sft_cli.run.errors import UserError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def stored_dtype(name: str) -> str:
    """The number format that a model's weights, or those of an adapter's base, are stored in; float32 if another."""
    found = config_at(name).dtype or _first_dtype(Path(source_of(name)))
    return next((known for known, dtype in DTYPES.items() if dtype is found), "float32")


def _first_dtype(folder: Path) -> torch.dtype | None:
    """That of the first weight in a directory, for a config that does not say it; None if there is none."""
    from safetensors import safe_open

    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as tensors:
            for key in tensors.keys():  # noqa: SIM118 (not a dict)
                found: torch.dtype = tensors.get_tensor(key).dtype
                if found.is_floating_point:
                    return found
    return None


def in_format(weights: Mapping[str, Tensor], dtype: str) -> dict[str, Tensor]:
    """The weights in a number format; those that shared their memory still do.

    Raises UserError for a number that float16 cannot hold.
    """
    made: dict[tuple[int, tuple[int, ...]], Tensor] = {}
    found = {}
    for name, weight in weights.items():
        key = (weight.data_ptr(), tuple(weight.shape))
        if key not in made:
            made[key] = _rounded(name, weight, dtype)
        found[name] = made[key]
    return found


@torch.no_grad()
def round_weights(model: Any, dtype: str) -> None:
    """Set a model's weights, in place, to what `in_format` leaves of them; they stay float32."""
    for name, weight in model.state_dict().items():
        weight.copy_(_rounded(name, weight, dtype))


def _rounded(name: str, weight: Tensor, dtype: str) -> Tensor:
    if not weight.is_floating_point():
        return weight
    found = weight.detach().to(DTYPES[dtype])
    if dtype == "float16" and not torch.equal(found.isfinite(), weight.isfinite()):
        raise UserError(
            f"{name}: holds {float(weight.abs().max()):g}, expected at most 65504, the largest number of float16\n"
            "hint: float32 or bfloat16 holds it"
        )
    return found
