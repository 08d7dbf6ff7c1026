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
    """The number format of a model's stored weights, or those of an adapter's base; float32 for other formats."""
    stored = config_at(name).dtype or _first_dtype(Path(source_of(name)))
    return next((known for known, dtype in DTYPES.items() if dtype is stored), "float32")


def _first_dtype(folder: Path) -> torch.dtype | None:
    """The format of the first weight in a directory, if the config does not name it; None without weights."""
    from safetensors import safe_open

    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as tensors:
            for key in tensors.keys():  # noqa: SIM118 (not a dict)
                dtype: torch.dtype = tensors.get_tensor(key).dtype
                if dtype.is_floating_point:
                    return dtype
    return None


def in_format(weights: Mapping[str, Tensor], dtype: str) -> dict[str, Tensor]:
    """The weights in a number format; weights that shared memory still share it.

    Raises UserError for a number that float16 cannot hold.
    """
    made: dict[tuple[int, tuple[int, ...]], Tensor] = {}
    converted = {}
    for name, weight in weights.items():
        key = (weight.data_ptr(), tuple(weight.shape))
        if key not in made:
            made[key] = _rounded(name, weight, dtype)
        converted[name] = made[key]
    return converted


@torch.no_grad()
def round_weights(model: Any, dtype: str) -> None:
    """Round a model's weights, in place, as `in_format` does; they stay float32."""
    for name, weight in model.state_dict().items():
        weight.copy_(_rounded(name, weight, dtype))


def _rounded(name: str, weight: Tensor, dtype: str) -> Tensor:
    if not weight.is_floating_point():
        return weight
    rounded = weight.detach().to(DTYPES[dtype])
    if dtype == "float16" and not torch.equal(rounded.isfinite(), weight.isfinite()):
        raise UserError(
            f"{name}: expected at most 65504, the largest number of float16, got {float(weight.abs().max()):g}\n"
            "hint: use float32 or bfloat16"
        )
    return rounded
