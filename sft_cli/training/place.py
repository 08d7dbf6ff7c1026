"""Where a run computes: device, number format, and the memory of the process."""

from __future__ import annotations

import contextlib
import ctypes
import resource
import sys
from dataclasses import dataclass
from typing import Any

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Place:
    """A device and the number format of its matrix products (`float32` or `bfloat16`)."""

    device: str = "cpu"
    dtype: str = "float32"

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Matrix products in bfloat16 if `dtype` is bfloat16; weights, sums and norms stay float32."""
        return torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16, enabled=self.dtype == "bfloat16")

    def peak_memory_gb(self) -> float:
        """Peak memory so far, in GB: of the GPU if there is one, otherwise of the process."""
        if self.device.startswith("cuda"):
            return torch.cuda.max_memory_allocated() / 1e9
        unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def keep_freed_memory() -> bool:
    """Make malloc reuse large blocks instead of releasing them, which causes page faults; return whether this worked.

    Measured on CPU training: page faults took a fifth to a third of a step (docs/log.md). Linux with glibc only.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST)) and bool(mallopt(M_TRIM_THRESHOLD, LARGEST))
