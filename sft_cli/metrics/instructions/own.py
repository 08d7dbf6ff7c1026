"""Checks of form that IFEval does not have: patterns, JSON schemas, lists, lengths in any script."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from sft_cli.metrics.instructions.ifeval import Relation, is_in_relation
from sft_cli.metrics.json_text import json_value
from sft_cli.metrics.tokenizers import mixed
from sft_cli.run.errors import require

LIST_ITEM = re.compile(r"^\s*(?:[-*+•·]|\d+[.)、）．]|[(（]\d+[)）]|[一二三四五六七八九十]+、)\s*\S", re.MULTILINE)


def matches_pattern(text: str, pattern: str) -> bool:
    """The whole text, without white space around it, matches the regular expression."""
    return bool(re.fullmatch(pattern, text.strip(), re.DOTALL))


def has_json_keys(text: str, keys: list[str]) -> bool:
    """It is a JSON object, alone or in a code fence, with all these keys; `a.b` is key b of the object at a."""
    value = json_value(text)
    return value is not None and all(_has(value, key) for key in keys)


def fits_json_schema(text: str, schema: dict[str, Any]) -> bool:
    """It is JSON, alone or in a code fence, and valid by the JSON Schema (default: draft 2020-12)."""
    require("jsonschema", "--metric instructions", "jsonschema>=4.20")
    import jsonschema

    value = json_value(text)
    if value is None:
        return False
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    return bool(kind(schema).is_valid(value))


def list_item_count(text: str, num_items: int, relation: str = "exactly") -> bool:
    """This many list items: lines that begin with a bullet or a number (also a Chinese number)."""
    count = len(LIST_ITEM.findall(text))
    return count == num_items if relation == "exactly" else is_in_relation(count, _relation(relation), num_items)


def character_count(text: str, num_characters: int, relation: Relation) -> bool:
    """This many characters, without white space around the text."""
    return is_in_relation(len(text.strip()), relation, num_characters)


def token_count(text: str, num_tokens: int, relation: Relation) -> bool:
    """This many tokens of `mixed`: words, and Chinese, Japanese or Korean characters."""
    return is_in_relation(len(mixed(text)), relation, num_tokens)


def has_script_share(text: str, script: str, share: float = 0.9) -> bool:
    """At least this share of the letters is in the script, named as in Unicode: `latin`, `cjk`, `arabic`, `thai`, …"""
    letters = [unicodedata.name(character, "") for character in text if character.isalpha()]
    count = sum(name.startswith(script.upper() + " ") for name in letters)
    return bool(letters) and count >= share * len(letters)


def _has(value: Any, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return True


def _relation(text: str) -> Relation:
    return "less than" if text == "less than" else "at least"
