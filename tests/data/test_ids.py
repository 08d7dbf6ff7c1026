"""Ids that were seen: as a set of them, in less memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sft_cli.data.ids import SeenIds


@given(st.lists(st.text(max_size=2)))
def test_an_id_is_new_once(names: list[str]) -> None:
    seen, wanted = SeenIds(), set[str]()
    for name in names:
        assert seen.add(name) is (name not in wanted)
        wanted.add(name)


def test_it_grows_and_forgets_nothing() -> None:
    seen = SeenIds()
    assert all(seen.add(str(number)) for number in range(5000))
    assert not any(seen.add(str(number)) for number in range(5000))
    assert len(seen.slots) * seen.slots.itemsize <= 22 * 5000
