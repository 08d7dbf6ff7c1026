"""How this process shares the machine; set it before torch is imported."""

from __future__ import annotations

import gc
import os

# Measured on 2 cores (docs/log.md): two trainings of two threads each reach 0.87 of half the speed; 0.69 with 3000,
# 0.16 with 30 000. A training without others is as fast as with 3000, and 5 % slower with 1000.
SPIN_COUNT = "1500"


def wait_politely() -> None:
    """Let threads that wait for each other release their core soon, instead of spinning for milliseconds.

    Sets GNU OpenMP's GOMP_SPINCOUNT, unless the user has set it or OMP_WAIT_POLICY.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)


def multiply_alone() -> None:
    """Let numpy multiply matrices on one thread, unless the user has set a number. Call it before the import of numpy.

    Measured next to other programs on 2 cores: 10,000 resamples of 10,000 rows and 20 metrics took 32 s of CPU instead
    of 4 s, most of it in threads that waited for each other.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def collect_rarely() -> None:
    """Let the garbage collector search for cycles a hundred times less often: rows of JSON have no cycles.

    Measured: 0.45 s instead of 0.48 s to score 1 000 rows.
    """
    gc.set_threshold(70_000, 10, 10)
