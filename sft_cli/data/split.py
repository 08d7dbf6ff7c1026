"""The part of a split to which a row belongs: it depends only on the content, not on the order of rows."""

from __future__ import annotations

import math
import re
from typing import Any

from sft_cli.data.rows import Row, content_key
from sft_cli.run.errors import UserError
from sft_cli.run.seed import uniform


def read_split(text: str) -> dict[str, float]:
    """Names and shares from `train=0.8,test=0.2`; the shares add up to 1."""
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = part.strip().partition("=")
        try:
            value = float(share)
        except ValueError:
            value = math.nan
        if not re.fullmatch(r"[\w-]+", name) or not 0 < value <= 1:
            raise UserError(f"--split: expected NAME=SHARE with a share between 0 and 1, got {part.strip()!r}")
        if name in shares:
            raise UserError(f"--split: {name}: expected each name once")
        shares[name] = value
    if not math.isclose(sum(shares.values()), 1.0, abs_tol=2e-3):
        raise UserError(f"--split: expected shares that add up to 1, got {sum(shares.values()):g}")
    return shares


def part_of(row: Row, shares: dict[str, float], seed: int) -> str:
    """The name of a row's part: equal contents are in the same part, whatever their ids and places are."""
    return part_of_content(content_key(row), shares, seed)


def part_of_content(content: list[Any], shares: dict[str, float], seed: int) -> str:
    """The name of the part of a row with this `content_key`."""
    place = uniform("split", seed, content)
    name = ""
    for name, share in shares.items():
        if place < share:
            return name
        place -= share
    return name
