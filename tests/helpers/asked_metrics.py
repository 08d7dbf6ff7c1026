"""Every metric of the table, with the options that it cannot do without."""

from __future__ import annotations

from sft_cli.metrics.protocol import NamedMetric, read_metric

NEEDED: dict[str, str] = {}


def asked_metric(name: str) -> NamedMetric:
    """The metric of this name, with the files that it needs."""
    return read_metric(NEEDED.get(name, name))
