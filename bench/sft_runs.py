"""Running commands of this checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from peers import ROOT


def sft(*words: Any) -> None:
    """Run a command of sft, quietly; leave if it fails."""
    python_path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {"OMP_NUM_THREADS": "2", **os.environ, "PYTHONPATH": python_path}
    command = [sys.executable, "-m", "sft_cli", *map(str, words), "-q"]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
