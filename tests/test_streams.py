"""Streams are UTF-8 whatever the locale says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_rows_are_utf8_in_any_locale(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"prompt": "你好", "completion": "世界"}\n', encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1", "LC_ALL": "C"}
    command = [sys.executable, "-m", "sft_cli", "prep", "a.jsonl", "-q"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "你好" in done.stdout.decode("utf-8")
