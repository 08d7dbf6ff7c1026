"""Each feature of the processor is asked for before it is used, and what is done without it is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sft_cli.model import bf16_linears, device, load

NOTE = "--dtype bfloat16: this processor does not support it; products and weights are in float32\n"


@pytest.fixture
def plain_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU without bfloat16: oneDNN says so when it is asked."""
    monkeypatch.setattr(device, "onednn_takes_bfloat16", lambda: False)
    monkeypatch.setattr(bf16_linears, "onednn_takes_bfloat16", lambda: False)


def cpu_flags(monkeypatch: pytest.MonkeyPatch, flags: str) -> None:
    monkeypatch.setattr(Path, "read_text", lambda self, **_: f"flags\t\t: fpu {flags} clzero\n")


@pytest.mark.parametrize(
    ("flags", "onednn", "expected"),
    [
        ("avx2 avx512f avx512_bf16", True, True),
        ("asimd bf16 i8mm", True, True),
        ("avx2 avx512f", True, False),  # oneDNN takes it, and emulates it
        ("avx2 avx512_bf16", False, False),  # ONEDNN_MAX_CPU_ISA=AVX2
    ],
)
def test_bfloat16_needs_the_instructions_and_a_library_that_uses_them(
    monkeypatch: pytest.MonkeyPatch, flags: str, onednn: bool, expected: bool
) -> None:
    cpu_flags(monkeypatch, flags)
    monkeypatch.setattr(device, "onednn_takes_bfloat16", lambda: onednn)
    assert device.multiplies_bfloat16() is expected
    assert device.pick_dtype("auto", "cpu") == device.pick_dtype("bfloat16", "cpu") == ("float32", "bfloat16")[expected]
    assert device.pick_dtype("float32", "cpu") == "float32"


def test_generate_falls_back_to_float32_and_says_so(plain_cpu: None, tiny: Path, rows_file: Path, sft: Any) -> None:
    ask = ("generate", tiny, rows_file, "--max-new-tokens", 4, "--dtype")
    narrow, wide = sft(*ask, "bfloat16", "-q"), sft(*ask, "float32", "-q")
    assert (narrow.code, narrow.out) == (0, wide.out)
    assert narrow.err == f"sft generate: {NOTE}"
    assert wide.err == ""


def test_train_falls_back_to_float32_and_says_so(plain_cpu: None, tiny: Path, rows_file: Path, sft: Any) -> None:
    result = sft("train", rows_file, "--model", tiny, "--dtype", "bfloat16", "--dry-run")
    assert result.code == 0
    assert f"sft train: {NOTE}" in result.err
    assert "float32" in result.err.replace(NOTE, "")


def test_replay_build_falls_back_to_float32_and_says_so(plain_cpu: None, tiny: Path, rows_file: Path, sft: Any) -> None:
    ask = ("replay-build", rows_file, "--rows", 2, "--select", "herding", "--model", tiny, "--dtype", "bfloat16", "-q")
    assert sft(*ask).err == f"sft replay-build: {NOTE}"


def test_weights_are_not_packed_where_onednn_would_refuse_them(plain_cpu: None, tiny: Path) -> None:
    assert bf16_linears.pack_linears(load.load_model(str(tiny), "bfloat16")) == 0


@pytest.mark.parametrize(("variable", "threads"), [("3", 3), ("4,2", 4), ("", None), ("many", None), ("0", None)])
def test_threads_are_those_of_the_variable_if_it_is_a_number(
    monkeypatch: pytest.MonkeyPatch, variable: str, threads: int | None
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    allowed = device.allowed_threads()
    assert allowed == threads if threads else allowed >= 1
