"""Rows that several processes share out."""

from __future__ import annotations

from pathlib import Path

import pytest
from several_processes import write
from small_rows import chat


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Eleven rows of 12 to 65 tokens, of two tasks."""
    turns = [("word " * (i % 5), "The quick brown fox " * (1 + 3 * (i % 4))) for i in range(11)]
    marked = [{**chat(*words), "id": f"r{i}", "task": "ab"[i % 2]} for i, words in enumerate(turns)]
    return write(tmp_path / "rows.jsonl", *marked)
