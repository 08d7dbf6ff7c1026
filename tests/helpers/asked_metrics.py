"""Every metric of the table, with the options that it cannot do without."""

from __future__ import annotations

from pathlib import Path

from sft_cli.metrics.protocol import NamedMetric, read_metric

TRAINING_ROWS = Path(__file__).parent / "training_rows.jsonl"
NEEDED = {"memorised": f"memorised:train={TRAINING_ROWS},n=2", "rare-words": f"rare-words:text={TRAINING_ROWS}"}


def asked_metric(name: str) -> NamedMetric:
    """The metric of this name, with the files that it needs."""
    return read_metric(NEEDED.get(name, name))
