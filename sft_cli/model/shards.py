"""Weights that may be sharded: what of them is in this process."""

from __future__ import annotations

from torch import Tensor
from torch.distributed.tensor import DTensor


def local(tensor: Tensor) -> Tensor:
    """The rows of a sharded tensor that this process holds, or the tensor itself."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def rows_of(tensor: Tensor) -> tuple[int, int]:
    """First row and the one after the last that this process holds: as torch.chunk cuts, which FSDP2 follows."""
    rows = len(tensor) if tensor.ndim else 1
    if not isinstance(tensor, DTensor):
        return 0, rows
    each = -(-rows // tensor.device_mesh.size())
    first = min(tensor.device_mesh.get_local_rank() * each, rows)
    assert len(tensor.to_local()) == min(each, rows - first)
    return first, min(first + each, rows)
