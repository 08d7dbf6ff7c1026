"""How this process shares the machine; to be set before torch is imported."""

from __future__ import annotations

import gc
import os

# Measured on 2 cores (docs/log.md): two trainings of two threads each keep 0.87 of their halves, with 3000 0.69, with
# 30 000 0.16; alone a training is as fast as with 3000, with 1000 5 % slower.
SPIN_COUNT = "1500"


def wait_politely() -> None:
    """Let threads that wait for each other give up their core soon, instead of spinning for milliseconds.

    GNU OpenMP's GOMP_SPINCOUNT, unless the user has set it or OMP_WAIT_POLICY.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)


def multiply_alone() -> None:
    """Let numpy multiply matrices on one thread, unless the user has set it; to be called before numpy is imported.

    Measured beside other programs on 2 cores: 10,000 resamples of 10,000 rows and 20 metrics took 32 s of CPU, most of
    it in threads that spun for one another, instead of 4 s.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def collect_rarely() -> None:
    """Let the garbage collector look for cycles a hundred times less often: rows of JSON make none.

    Measured: 0.45 s instead of 0.48 s to score 1 000 rows.
    """
    gc.set_threshold(70_000, 10, 10)
