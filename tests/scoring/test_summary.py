"""The summary says all that a metric leaves out or counts."""

from __future__ import annotations

import pytest

from sft_cli.metrics import METRICS
from sft_cli.scoring.checks import CURES
from sft_cli.scoring.summary import WARNINGS
from sft_cli.scoring.totals import COUNTED, MISSING

OF_RULES = {"rule:exact", "rule:mention", "rule:none"}  # in the JSON summary: by which rule labels were read
OF_SAMPLES = {"samples"}  # in the JSON summary: how many were compared


@pytest.mark.parametrize("name", METRICS)
def test_what_a_metric_leaves_out_or_counts_is_said(name: str) -> None:
    metric = METRICS.load(name)
    assert metric.missing in MISSING
    assert set(metric.counted) <= {*MISSING, *WARNINGS, *COUNTED, *OF_RULES, *OF_SAMPLES}


def test_nothing_is_said_that_no_metric_counts() -> None:
    metrics = [METRICS.load(name) for name in METRICS]
    known = {metric.missing for metric in metrics} | {name for metric in metrics for name in metric.counted}
    assert set(WARNINGS) <= known | set(COUNTED)
    assert set(MISSING) <= known | {"not_measured"}  # of lm-evaluation-harness
    assert set(CURES) <= set(MISSING)
