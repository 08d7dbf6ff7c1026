"""A fault that was planted is the first that is named; bench/explain.py counts it over more seeds."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench_modules import bench_module

bench = bench_module("explain")


@pytest.mark.parametrize("seed", [100, 101])
@pytest.mark.parametrize("fault", [fault for fault in bench.FAULTS if fault != "none"])
def test_a_planted_fault_is_named_first(fault: str, seed: int, tmp_path: Path) -> None:
    named = bench.named_first(fault, seed, tmp_path)
    assert bench.is_right(fault, named), named


def test_rows_without_a_fault_have_no_explanation(tmp_path: Path) -> None:
    assert bench.named_first("none", 100, tmp_path) == ("", "", "")
