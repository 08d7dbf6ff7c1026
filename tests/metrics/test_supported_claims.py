"""Shares of claims are over all claims, and abstention is seen beside them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sft_cli.metrics.protocol import read_metric
from sft_cli.run.errors import FieldError
from sft_cli.scoring.totals import Totals


def verification(supported: int, contradicted: int, abstained: bool = False) -> dict[str, Any]:
    counts = {"supported": supported, "contradicted": contradicted, "not_stated": 0, "disputed": 0}
    kinds = {"factual": contradicted, "citation": 0, "logical": 0}
    return {"claims": supported + contradicted, **counts, "kinds": kinds, "abstained": abstained}


def test_shares_are_of_all_claims_together() -> None:
    named = read_metric("supported-claims")
    totals = Totals()
    for facts in (verification(3, 0), verification(0, 1), verification(0, 0, abstained=True)):
        totals.add(named.metric.sums({"verification": facts}))
    values = named.values(totals.sums)
    assert values["supported_claims"] == 0.75
    assert values["supported_claims.contradicted"] == 0.25
    assert values["supported_claims.full"] == 0.5
    assert values["supported_claims.abstained"] == pytest.approx(1 / 3)


def test_citations_have_a_precision_and_a_recall() -> None:
    named = read_metric("supported-claims")
    facts = {**verification(3, 1), "citations": 4, "cited_claims": 1, "kinds": {"citation": 3, "logical": 0}}
    sums = named.metric.sums({"verification": facts})
    assert sums is not None
    values = named.values(sums)
    assert values["supported_claims.citation_precision"] == 0.25
    assert values["supported_claims.citation_recall"] == 0.25


def test_an_answer_without_claims_has_no_share_of_its_own() -> None:
    metric = read_metric("supported-claims").metric
    sums = metric.sums({"verification": verification(0, 0, abstained=True)})
    assert sums is not None
    assert (sums["count"], sums["no_claims"]) == (0, 1)
    assert "supported_claims" not in metric.row_values(sums)
    assert metric.row_values(sums)["supported_claims.abstained"] == 1.0


def test_rows_that_were_not_verified_do_not_count() -> None:
    metric = read_metric("supported-claims").metric
    assert metric.sums({"completion": "x"}) is None
    with pytest.raises(FieldError, match="verification: expected the counts that sft verify writes, got"):
        metric.sums({"verification": {"claims": 1}})


def test_a_share_of_nothing_is_missing() -> None:
    named = read_metric("supported-claims")
    totals = Totals()
    totals.add(named.metric.sums({"verification": verification(2, 0)}))
    summary = totals.summary(named, None)
    assert summary["value"] == 1.0
    assert summary["values"]["supported_claims.citation_precision"] is None
    assert summary["values"]["supported_claims.citation_recall"] is None
    abstaining = named.metric.sums({"verification": verification(0, 0, abstained=True)})
    assert abstaining is not None
    assert math.isnan(named.values(abstaining)["supported_claims"])
