"""Where a model computes: its device, its number format, its threads, and what the processor can do."""

from __future__ import annotations

import os
from pathlib import Path

from sft_cli.run.errors import UserError
from sft_cli.run.ranks import Ranks

BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16", "avx_ne_convert", " bf16 ")


def multiplies_bfloat16() -> bool:
    """Whether the CPU has instructions for bfloat16 products, and torch's kernels may use them.

    Both are checked: torch emulates the products on a CPU without the instructions (26 times slower than float32 with
    only AVX2), and ONEDNN_MAX_CPU_ISA can prevent torch from using instructions that the CPU has.
    """
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(flag in flags for flag in BFLOAT16_FLAGS) and onednn_takes_bfloat16()


def onednn_takes_bfloat16() -> bool:
    """Whether oneDNN, which torch calls for matrix products, accepts bfloat16 weights on this CPU."""
    import torch

    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return supported is not None and bool(supported())


def allowed_threads() -> int:
    """OMP_NUM_THREADS (of `4,2`, nested levels, the first), or the processors that this process may use."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if first.isdigit() and int(first):
        return int(first)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pick_device(wanted: str) -> str:
    """The device for `auto`: cuda, otherwise mps, otherwise cpu. Raises UserError for a device that does not exist."""
    import torch

    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next(device for device in ("cuda", "mps", "cpu") if available[device])
    if not available.get(wanted.split(":")[0], False):
        known = ", ".join(device for device, there in available.items() if there)
        raise UserError(f"--device: {wanted} is not available; available: {known}")
    return wanted


def device_of(ranks: Ranks, wanted: str) -> str:
    """The device of this process: the requested one, and of several GPUs the one of its local rank."""
    import torch

    device = pick_device(wanted)
    if ranks.size == 1 or device == "cpu":
        return device
    if device != "cuda":
        raise UserError(f"--device: expected auto, cuda or cpu with several processes, got {device}")
    if ranks.local_rank >= torch.cuda.device_count():
        raise UserError(
            f"LOCAL_RANK={ranks.local_rank}: expected at most one process for each of {torch.cuda.device_count()} GPUs"
        )
    return f"cuda:{ranks.local_rank}"


def pick_dtype(wanted: str, device: str) -> str:
    """The number format of matrix products: bfloat16 if requested or `auto`, and the hardware supports it.

    Otherwise float32, also if bfloat16 is requested: emulated products are many times slower and less exact.
    `dtype_note` reports this.
    """
    if wanted == "float32" or (wanted == "auto" and device == "mps"):
        return "float32"
    return "bfloat16" if _multiplies_bfloat16(device) else "float32"


def dtype_note(wanted: str, taken: str) -> str:
    """A note if `pick_dtype` took another number format than requested; otherwise empty."""
    if wanted in ("auto", taken):
        return ""
    return f"--dtype {wanted}: this processor does not support it; products and weights are in {taken}"


def _multiplies_bfloat16(device: str) -> bool:
    if device.startswith("cuda"):
        import torch

        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device == "mps" or multiplies_bfloat16()


def use_threads(threads: int | None) -> None:
    """Set torch's threads: `threads`, or OMP_NUM_THREADS, or the processors that this process may use."""
    import torch

    torch.set_num_threads(threads or allowed_threads())
