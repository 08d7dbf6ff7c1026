"""Hashes of weights, by which one sees that they have not changed."""

from __future__ import annotations

import hashlib
from typing import Any

import torch


def weights_hash(module: Any) -> str:
    """SHA-256 of a module's weights: names, shapes, and values as float32, so that bfloat16 and float32 agree."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        values = tensor.detach().to("cpu", torch.float32).contiguous()
        digest.update(f"{name} {tuple(values.shape)}\n".encode())
        digest.update(values.numpy().data)
    return digest.hexdigest()
