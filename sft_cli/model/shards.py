"""Weights that may be sharded, and their part in this process."""

from __future__ import annotations

from torch import Tensor
from torch.distributed.tensor import DTensor


def local(tensor: Tensor) -> Tensor:
    """The rows of a sharded tensor in this process, or the tensor itself."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def rows_of(tensor: Tensor) -> tuple[int, int]:
    """First row, and the row after the last, in this process: as torch.chunk and FSDP2 cut."""
    rows = len(tensor) if tensor.ndim else 1
    if not isinstance(tensor, DTensor):
        return 0, rows
    each = -(-rows // tensor.device_mesh.size())
    first = min(tensor.device_mesh.get_local_rank() * each, rows)
    assert len(tensor.to_local()) == min(each, rows - first)
    return first, min(first + each, rows)
