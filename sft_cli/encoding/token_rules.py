"""The rules of a `--token-weights` file: read, checked, and their tokens looked up."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from sft_cli.run.config import read_toml
from sft_cli.run.errors import UserError, shown
from sft_cli.run.registry import near_name

CONDITIONS = ("regex", "digits", "special", "first", "last", "tokens")


@dataclass(frozen=True)
class Rule:
    """A factor, and the condition for the target tokens that get it."""

    weight: float
    pattern: re.Pattern[str] | None = None
    special: bool = False
    first: int | None = None
    last: int | None = None
    tokens: tuple[int, ...] = ()


def read_rules(path: str, tokenizer: Any) -> list[Rule]:
    """The rules of a TOML file of [[rule]] tables. Raises UserError that names the file, the rule and the key."""
    document = read_toml(path, "--token-weights")
    for key in document:
        if key != "rule":
            raise UserError(f"{path}: {key}: unknown key.{near_name(key, ['rule'])} Known: rule")
    rules = document.get("rule")
    if not isinstance(rules, list) or not rules or not all(isinstance(rule, dict) for rule in rules):
        raise UserError(f"{path}: rule: expected at least one [[rule]], got {shown(rules) if rules else 'none'}")
    return [_rule(rule, f"{path}: rule {number}", tokenizer) for number, rule in enumerate(rules, 1)]


def _rule(rule: dict[str, Any], where: str, tokenizer: Any) -> Rule:
    known = ["weight", *CONDITIONS]
    for key in rule:
        if key not in known:
            raise UserError(f"{where}: {key}: unknown key.{near_name(key, known)} Known: {', '.join(known)}")
    weight, conditions = rule.get("weight", math.nan), [key for key in rule if key != "weight"]
    if not _is_number(weight) or not 0 <= weight < math.inf:
        got = shown(weight) if "weight" in rule else "none"
        raise UserError(f"{where}: weight: expected a number of at least 0, got {got}")
    if len(conditions) != 1:
        raise UserError(
            f"{where}: expected one of {', '.join(CONDITIONS)}, got {' and '.join(conditions) or 'none'}"
            + (
                "\nhint: write one rule for each condition; the weights of all rules for a token are multiplied"
                if conditions
                else ""
            )
        )
    name = conditions[0]
    return Rule(float(weight), **_condition(name, rule[name], f"{where}: {name}", tokenizer))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _condition(name: str, value: Any, where: str, tokenizer: Any) -> dict[str, Any]:
    """The field of Rule that a condition sets."""
    if name == "regex":
        return {"pattern": _pattern(value, where)}
    if name in ("digits", "special"):
        if value is not True:
            raise UserError(f"{where}: expected true, got {shown(value)}")
        return {"special": True} if name == "special" else {"pattern": re.compile(r"\d")}
    if name in ("first", "last"):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise UserError(f"{where}: expected a whole number of at least 1, got {shown(value)}")
        return {name: value}
    if not isinstance(value, list) or not value:
        raise UserError(f'{where}: expected a list of tokens or ids, such as ["yes", 17], got {shown(value)}')
    return {"tokens": tuple(_token_id(token, where, tokenizer) for token in value)}


def _pattern(value: Any, where: str) -> re.Pattern[str]:
    if not isinstance(value, str) or not value:
        raise UserError(f"{where}: expected a regular expression, got {shown(value)}")
    try:
        return re.compile(value)
    except re.error as error:
        raise UserError(f"{where}: expected a regular expression, got {shown(value)}: {error}") from error


def _token_id(token: Any, where: str, tokenizer: Any) -> int:
    """The id of a token given as an id, as in the vocabulary, or as text that is one token."""
    if isinstance(token, int) and not isinstance(token, bool):
        if not 0 <= token < len(tokenizer):
            raise UserError(f"{where}: expected a token id below {len(tokenizer)}, got {token}")
        return token
    if not isinstance(token, str) or not token:
        raise UserError(f"{where}: expected a token or an id, got {shown(token)}")
    vocabulary = tokenizer.get_vocab()
    if token in vocabulary:
        return int(vocabulary[token])
    ids = tokenizer(token, add_special_tokens=False)["input_ids"]
    if len(ids) != 1:
        pieces = ", ".join(shown(piece) for piece in tokenizer.convert_ids_to_tokens(ids))
        raise UserError(
            f"{where}: expected one token, got {shown(token)}, which is {len(ids)} tokens: {pieces}\n"
            "hint: use the condition `regex` to match text of several tokens"
        )
    return int(ids[0])
