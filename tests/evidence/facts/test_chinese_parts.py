"""Chinese sentences that differ in one short part do not say the same."""

from __future__ import annotations

import pytest

from sft_cli.evidence.facts.alignment import Evidence
from sft_cli.evidence.facts.check import check_claim


@pytest.mark.parametrize(
    ("claim", "evidence", "expected"),
    [
        ("公司的董事长是陈刚。", "公司的董事长是陈勇。", "contradicted"),
        ("这首歌由林俊演唱。", "这首歌由林志颖演唱。", "contradicted"),
        ("赵敏翻译了这本书。", "赵明翻译了这本书。", "contradicted"),
        ("他的老师是王平。", "他的老师是李平。", "contradicted"),
        ("会议由主席张华主持。", "会议由主席张花主持。", "contradicted"),
        ("工厂生产的是红茶。", "工厂生产的是绿茶。", "not stated"),
        ("海尔公司推出了冰箱。", "格力公司推出了冰箱。", "contradicted"),
        ("他的老师是王平。", "他的老师是王平。", "supported"),
        ("他去过这座城市。", "他去了这座城市。", "supported"),
    ],
)
def test_one_short_part_differs(claim: str, evidence: str, expected: str) -> None:
    assert check_claim(claim, Evidence([evidence])).verdict == expected
