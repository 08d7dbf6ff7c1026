"""The characters of scripts without spaces between words, as the inside of a character class."""

from __future__ import annotations

import re

HAN_RANGES = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
KANA = "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
HANGUL = "\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3"
NO_WORD_GAPS = re.compile(f"[{HAN_RANGES}{KANA}{HANGUL}]")
