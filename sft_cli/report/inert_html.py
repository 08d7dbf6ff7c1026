"""What makes a page inert: data that cannot end its element, and the hashes of the only script and style allowed."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

# The end of a script element, and what else ends or changes a script in HTML, has one of these; the last two are line
# ends in old JavaScript.
SCRIPT_ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


def inert_page_json(value: Any) -> str:
    """JSON for a script element of HTML: no text in it can end the element, or begin a comment or another one.

    Half a surrogate pair, which UTF-8 cannot hold, stays an escape of JSON.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(SCRIPT_ESCAPES)
    return "".join(f"\\u{ord(sign):04x}" if "\ud800" <= sign <= "\udfff" else sign for sign in text)


def policy_hash(text: str) -> str:
    """The source that allows this script or style in a content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()
