"""Numbers in Chinese characters: 三百二十, 3.5万, 二〇二〇."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

from sft_cli.run.errors import require

DIGITS = "〇零一二两兩三四五六七八九壹贰貳叁參肆伍陆陸柒捌玖"
PLACES = "十百千拾佰仟廿卅"
MYRIADS = "万萬亿億兆"
NUMERAL = (
    rf"(?:(?<!\d)\d{{1,15}}(?:,\d{{3}})*(?:\.\d+)?(?:[百千佰仟]?[{MYRIADS}]+|[百千佰仟])"
    rf"|[{DIGITS}{PLACES}][{DIGITS}{PLACES}{MYRIADS}]{{0,30}}(?:[点點][{DIGITS}]{{1,15}}[{MYRIADS}]*)?)"
)
TRADITIONAL = str.maketrans("兩貳參陸萬億點", "两贰叁陆万亿点")
ONE_BY_ONE = re.compile(rf"[{DIGITS}]+\Z")
MIXED_FORM = re.compile(r"([\d.]+)([百千佰仟]?)([万亿兆]*)\Z")
POWERS = {"": 0, "百": 2, "佰": 2, "千": 3, "仟": 3, "万": 4, "亿": 8, "兆": 12}


@lru_cache(maxsize=4096)
def chinese_number(text: str) -> Decimal | None:
    """The value of a numeral that matches NUMERAL; None if it is not well formed (百万, 二三).

    Raises UserError if the package cn2an is missing.
    """
    plain = text.translate(TRADITIONAL).replace(",", "")
    if mixed := MIXED_FORM.match(plain):
        power = POWERS[mixed[2]] + sum(POWERS[sign] for sign in mixed[3])
        return Decimal(mixed[1]) * Decimal(10) ** power
    if not ONE_BY_ONE.match(plain) or len(plain) == 1:
        plain = plain.replace("卅", "三十")
    require("cn2an", "to read numbers in Chinese characters", "cn2an>=0.5")
    from cn2an import cn2an

    try:
        return Decimal(str(cn2an(plain, "smart")))
    except ValueError:
        return None
