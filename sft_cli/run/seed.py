"""Seeds and hashes that do not depend on the machine, the process or the order of rows."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

# Numbers that orjson may write in another form than json: with an exponent, or small. In a text they do no harm.
_MAYBE_EXPONENT, _EXPONENT = re.compile(rb"e[-1-9]"), re.compile(rb"\de[-1-9]")  # the first is six times as fast
_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=repr)


def stable_hash(*parts: Any) -> int:
    """A 64-bit number that depends only on the parts (JSON, sorted keys), equal in every process.

    A value without a form in JSON, such as a date from Parquet, is used as Python prints it.
    """
    return int.from_bytes(hashlib.blake2b(_encoded(parts), digest_size=8).digest(), "big")


def _encoded(parts: Any) -> bytes:
    """The parts as JSON, in the form of the json module; orjson is ten times as fast."""
    import orjson

    try:
        text = orjson.dumps(
            parts, option=orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
        )
    except TypeError:
        return _by_json(parts)
    is_other = b"0.0000" in text or (_MAYBE_EXPONENT.search(text) and _EXPONENT.search(text))
    return _by_json(parts) if is_other else text


def _by_json(parts: Any) -> bytes:
    return _ENCODER.encode(parts).encode("utf-8", "surrogatepass")


def uniform(*parts: Any) -> float:
    """A number in [0, 1) that depends only on the parts, uniform over them."""
    return stable_hash(*parts) / 2**64
