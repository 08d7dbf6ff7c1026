"""What the processor of this machine can do: asked before a feature of it is used."""

from __future__ import annotations

import os
from pathlib import Path

BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16", "avx_ne_convert", " bf16 ")


def multiplies_bfloat16() -> bool:
    """Whether the CPU has instructions for bfloat16 products, and torch's kernels may use them.

    Both are asked: torch emulates the products on a CPU that lacks the instructions (26 times slower than float32 on
    one with AVX2 alone), and ONEDNN_MAX_CPU_ISA can keep torch from instructions that the CPU has.
    """
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(flag in flags for flag in BFLOAT16_FLAGS) and onednn_takes_bfloat16()


def onednn_takes_bfloat16() -> bool:
    """Whether oneDNN, which torch calls for matrix products on a CPU, accepts bfloat16 weights on this one."""
    import torch

    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return supported is not None and bool(supported())


def allowed_threads() -> int:
    """OMP_NUM_THREADS (of `4,2`, nested levels, the first), else the processors that this process may use."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if first.isdigit() and int(first):
        return int(first)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
