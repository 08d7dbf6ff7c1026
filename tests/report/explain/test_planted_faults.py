"""A fault that was planted is the first that is named; bench/explain.py counts it over more seeds."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[3] / "bench"


def planted_faults() -> Any:
    """bench/explain.py as a module."""
    sys.path.append(str(BENCH))
    spec = importlib.util.spec_from_file_location("bench_explain", BENCH / "explain.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(BENCH))
    return module


bench = planted_faults()


@pytest.mark.parametrize("seed", [100, 101])
@pytest.mark.parametrize("fault", [fault for fault in bench.FAULTS if fault != "none"])
def test_a_planted_fault_is_named_first(fault: str, seed: int, tmp_path: Path) -> None:
    named = bench.named_first(fault, seed, tmp_path)
    assert bench.is_right(fault, named), named


def test_rows_without_a_fault_have_no_explanation(tmp_path: Path) -> None:
    assert bench.named_first("none", 100, tmp_path) == ("", "", "")
