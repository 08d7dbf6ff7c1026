"""Completions that follow a JSON schema or a regular expression, by llguidance.

Of the libraries that do this llguidance was chosen: it forms each step's mask in well under a millisecond without
building an index for every schema first (outlines-core takes seconds for large ones), knows both kinds of grammar, and
needs no particular torch (xgrammar does).
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
        """What follows one completion token by token (`consume_token`)."""
        from llguidance import LLMatcher

        return LLMatcher(self.tokenizer, self.grammar)

    def allow(self, scores: Tensor, matchers: list[Any]) -> Tensor:
        """Scores (rows, V) with −∞ where a row's grammar allows no such token.

        Raises RuntimeError if a completion has left its grammar, which no token that was allowed can do.
        """
        import llguidance.torch as masks

        words = masks.allocate_token_bitmask(len(matchers), scores.shape[-1])
        for row, matcher in enumerate(matchers):
            if matcher.is_error():
                raise RuntimeError(f"the grammar cannot go on: {matcher.get_error()}")
            masks.fill_next_token_bitmask(matcher, words, row)
        bits = (words[:, :, None] >> torch.arange(32, dtype=torch.int32)) & 1
        allowed = bits.bool().view(len(matchers), -1)[:, : scores.shape[-1]].to(scores.device)
        return scores.masked_fill(~allowed, -torch.inf)


def open_constraint(values: Decoding, encoder: Encoder, vocabulary: int) -> Constraint | None:
    """The constraint of --json-schema or --regex; None without one. Raises UserError for a bad one."""
    if values.json_schema is None and values.regex is None:
        return None
    flag = "--regex" if values.json_schema is None else "--json-schema"
    require("llguidance", flag, "constrain")
    from llguidance import LLMatcher

    if values.regex is not None:
        where, grammar = flag, LLMatcher.grammar_from_regex(values.regex)
    else:
        where, schema = f"{flag}: {values.json_schema}", read_schema(str(values.json_schema))
        # White space between tokens is allowed by JSON, and a small model may go on with it for ever.
        grammar = LLMatcher.grammar_from_json_schema(schema, overrides={"whitespace_flexible": False})
    found = Constraint(grammar, encoder, vocabulary)
    problem = LLMatcher.validate_grammar(grammar, found.tokenizer)
    if problem:
        raise UserError(f"{where}: {' '.join(problem.split())}")
    return found


def read_schema(path: str) -> str:
    """The text of a file that holds a JSON schema; raises UserError for another one."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        schema = json.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise UserError(f"--json-schema: {path}: cannot read: {reason}") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: expected a JSON schema, got {error.msg}") from None
    if not isinstance(schema, dict):
        raise UserError(f"{path}:1: expected a JSON schema, an object, got {type(schema).__name__}")
    return text
