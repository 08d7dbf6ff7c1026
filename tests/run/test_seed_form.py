"""Hashes do not change with the library that writes the JSON: ids and splits stay as they are."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sft_cli.run.jsonl import loads
from sft_cli.run.seed import _by_json, _encoded, stable_hash

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text() | st.sampled_from(["1e5", "0.00001", "e-mail", "2e-3"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(VALUES)
def test_the_fast_form_is_the_slow_one(value: Any) -> None:
    assert _encoded(("a", value)) == _by_json(("a", value))


def test_known_hashes() -> None:
    assert stable_hash("id", "", [["user", "Hi", {}]], [], []) == 0x60250DDD0BD9B8F5
    assert stable_hash("x", 1e-7, 2**70, "é") == 0x6D792EC84253BD2


@given(st.recursive(st.integers(-(10**25), 10**25) | st.text(max_size=3), lambda inner: st.lists(inner, max_size=4)))
def test_whole_numbers_keep_all_their_digits(value: Any) -> None:
    for text in (json.dumps({"a": value, "b": [value]}), json.dumps([value], separators=(",", ":")), json.dumps(value)):
        assert loads(text) == json.loads(text)
        assert loads(text.encode()) == json.loads(text)
