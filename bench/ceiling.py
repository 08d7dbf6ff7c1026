"""The machine's matrix-product rate at the model's shapes, in GFLOP/s: the limit that training can approach."""

from __future__ import annotations

import json
import sys
import time

import torch

SHAPES = ((2048, 576, 1536), (2048, 1536, 576), (2048, 576, 576))  # a 135M model's, 2 048 tokens


def rate(dtype: torch.dtype, seconds: float = 0.7) -> float:
    """The best of the shapes, in GFLOP/s."""
    best = 0.0
    for rows, inner, columns in SHAPES:
        left, right = torch.randn(rows, inner, dtype=dtype), torch.randn(columns, inner, dtype=dtype)
        torch.nn.functional.linear(left, right)
        begun, runs = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds:
            torch.nn.functional.linear(left, right)
            runs += 1
        best = max(best, 2 * rows * inner * columns * runs / (time.perf_counter() - begun) / 1e9)
    return best


def main() -> None:
    """Argument: threads."""
    torch.set_num_threads(int(sys.argv[1]))
    print(json.dumps({"float32": rate(torch.float32), "bfloat16": rate(torch.bfloat16)}))


if __name__ == "__main__":
    main()
