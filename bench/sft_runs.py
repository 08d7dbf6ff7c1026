"""Running commands of this checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from peers import ROOT


def sft(*words: Any) -> None:
    """Run a command of sft, quietly; leave if it fails."""
    environment = {"OMP_NUM_THREADS": "2", **os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "sft_cli", *map(str, words), "-q"], check=True, env=environment)
