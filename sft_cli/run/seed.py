"""Seeds and hashes that do not depend on the machine, the process or the order of rows."""

from __future__ import annotations

import hashlib
import json
from typing import Any

_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=repr)


def stable_hash(*parts: Any) -> int:
    """A 64-bit number that depends only on the parts (JSON, sorted keys), equal in every process.

    A value without a form in JSON, such as a date from Parquet, is used as Python prints it.
    """
    text = _ENCODER.encode(parts)
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def uniform(*parts: Any) -> float:
    """A number in [0, 1) that depends only on the parts, uniform over them."""
    return stable_hash(*parts) / 2**64
