"""How this process shares the machine; to be set before torch is imported."""

from __future__ import annotations

import os

# Measured on 2 cores, one of them taken by another process: a training step of 10 s becomes one of 5.7 s; on an
# idle machine the two are equal within 3 % (docs/log.md).
SPIN_COUNT = "3000"


def wait_politely() -> None:
    """Let threads that wait for each other give up their core soon, instead of spinning for milliseconds.

    GNU OpenMP's GOMP_SPINCOUNT, unless the user has set it or OMP_WAIT_POLICY.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
