"""Hashes that decide splits and samples must be the same for ever: other numbers would move rows between parts."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from sft_cli.run.seed import stable_hash, uniform


def test_hashes_have_the_values_they_always_had() -> None:
    # hashlib.blake2b(b'["a",1]', digest_size=8), big-endian
    assert stable_hash("a", 1) == 0x2204915FB477F654
    assert stable_hash("你好") == 0x90A60CF59A49D989
    assert stable_hash({"b": 1, "a": [None, 0.5]}) == stable_hash({"a": [None, 0.5], "b": 1}) == 0x3D2EE6C01C0BB29C
    assert stable_hash("\ud800") == 0x5A88565D2D1B364B  # half a surrogate pair, as JSON may hold it


def test_hashes_are_equal_in_every_process() -> None:
    code = "from sft_cli.run.seed import stable_hash; print(stable_hash('a', 1))"
    other = subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": "5"}, capture_output=True, text=True)
    assert other.stdout == f"{stable_hash('a', 1)}\n"


@given(st.lists(st.text() | st.integers() | st.none(), min_size=1))
def test_a_uniform_number_is_below_one(parts: list[object]) -> None:
    assert 0 <= uniform(*parts) < 1


def test_uniform_numbers_are_spread_evenly() -> None:
    numbers = sorted(uniform("row", number) for number in range(2000))
    # Kolmogorov-Smirnov: random numbers exceed 1.95/√n once in a thousand; these are fixed, so this never flickers.
    assert max(abs(value - (rank + 0.5) / 2000) for rank, value in enumerate(numbers)) < 1.95 / 2000**0.5
