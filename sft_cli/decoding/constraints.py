"""Completions that conform to a JSON schema or a regular expression, by llguidance.

Why llguidance: it makes the mask of each step in less than a millisecond without an index for every schema
(outlines-core takes seconds for large schemas), it supports both kinds of grammar, and it needs no particular version
of torch (xgrammar does).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sft_cli.decoding.values import Decoding
from sft_cli.encoding.encoder import Encoder
from sft_cli.run.errors import UserError, require


class Constraint:
    """A grammar that all completions follow, and the tokens it allows next."""

    def __init__(self, grammar: str, encoder: Encoder, vocabulary: int) -> None:
        from llguidance.hf import from_tokenizer

        self.grammar, self.vocabulary = grammar, vocabulary
        stop = encoder.stop_ids[0] if encoder.stop_ids else None
        self.tokenizer = from_tokenizer(encoder.tokenizer, n_vocab=vocabulary, eos_token=stop)

    def begin(self) -> Any:
        """The matcher of one completion, which reads token by token (`consume_token`)."""
        from llguidance import LLMatcher

        return LLMatcher(self.tokenizer, self.grammar)

    def allow(self, scores: Tensor, matchers: list[Any]) -> Tensor:
        """Scores (rows, V) with −∞ where a row's grammar allows no such token.

        Raises RuntimeError if a completion does not match its grammar, which no allowed token can cause.
        """
        import llguidance.torch as masks

        words = masks.allocate_token_bitmask(len(matchers), scores.shape[-1])
        for row, matcher in enumerate(matchers):
            if matcher.is_error():
                raise RuntimeError(
                    f"no token can continue this completion and match --json-schema or --regex: {matcher.get_error()}"
                )
            masks.fill_next_token_bitmask(matcher, words, row)
        bits = (words[:, :, None] >> torch.arange(32, dtype=torch.int32)) & 1
        allowed = bits.bool().view(len(matchers), -1)[:, : scores.shape[-1]].to(scores.device)
        return scores.masked_fill(~allowed, -torch.inf)


def open_constraint(values: Decoding, encoder: Encoder, vocabulary: int) -> Constraint | None:
    """The constraint of --json-schema or --regex; None without these flags. Raises UserError for a bad grammar."""
    if values.json_schema is None and values.regex is None:
        return None
    flag = "--regex" if values.json_schema is None else "--json-schema"
    require("llguidance", flag, "llguidance>=1.0")
    from llguidance import LLMatcher

    if values.regex is not None:
        where, grammar = flag, LLMatcher.grammar_from_regex(values.regex)
    else:
        where, schema = f"{flag}: {values.json_schema}", read_schema(str(values.json_schema))
        # JSON allows white space between tokens, and a small model may write it without end.
        grammar = LLMatcher.grammar_from_json_schema(schema, overrides={"whitespace_flexible": False})
    constraint = Constraint(grammar, encoder, vocabulary)
    problem = LLMatcher.validate_grammar(grammar, constraint.tokenizer)
    if problem:
        raise UserError(f"{where}: {' '.join(problem.split())}")
    return constraint


def read_schema(path: str) -> str:
    """The text of a file with a JSON schema; raises UserError if the file has another content."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        schema = json.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise UserError(f"--json-schema: {path}: cannot read: {reason}") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: expected a JSON schema, got {error.msg}") from None
    if not isinstance(schema, dict):
        raise UserError(f"{path}:1: expected a JSON schema (an object), got {type(schema).__name__}")
    return text
