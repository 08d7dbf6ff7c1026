"""Weights of single tokens, by rules: `--token-weights FILE.toml`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tokenizers.decoders import DecodeStream

from sft_cli.encoding.encoder import Encoder, Example
from sft_cli.encoding.token_rules import Rule, read_rules


@dataclass(frozen=True)
class Target:
    """A run of adjacent targets without special tokens: their text, and the characters (start, end) of each."""

    positions: list[int]
    text: str
    spans: np.ndarray  # (n, 2)


class TokenWeights:
    """Multiplies the target weights of an example by the weights of the rules for each token.

    Each rule uses the targets after row and turn weights, so the order of rules does not matter. `counts` has the
    number of tokens of each rule so far.
    """

    def __init__(self, rules: list[Rule], tokenizer: Any, stop_ids: tuple[int, ...]) -> None:
        self.rules = rules
        self.counts = {f"target tokens with weight {rule.weight:g} by rule {n}": 0 for n, rule in enumerate(rules, 1)}
        self.core = tokenizer.backend_tokenizer
        self.stop_ids = np.array(stop_ids, dtype=np.int64)
        added = tokenizer.added_tokens_decoder.items()
        special = {token for token, content in added if content.special} | set(tokenizer.all_special_ids)
        self.special_ids = np.array(sorted(special | set(stop_ids)), dtype=np.int64)
        self.needs_text = any(rule.pattern is not None for rule in rules)

    @classmethod
    def read(cls, path: str | None, encoder: Encoder) -> TokenWeights:
        """The rules of a file, for one tokenizer; without a file there are no rules and `apply` changes nothing."""
        rules = [] if path is None else read_rules(path, encoder.tokenizer)
        return cls(rules, encoder.tokenizer, encoder.stop_ids)

    def apply(self, example: Example) -> Example:
        """The example with its new weights; `has_stop`: whether every remaining turn still learns to stop."""
        if not self.rules:
            return example
        targets = np.flatnonzero(example.weights)
        parts = list(self._texts(example.ids, targets)) if self.needs_text else []
        weights = example.weights.copy()
        for rule, line in zip(self.rules, self.counts, strict=True):
            positions = self._matches(rule, example.ids, targets, parts)
            weights[positions] *= rule.weight
            self.counts[line] += len(positions)
        return replace(example, weights=weights, has_stop=example.has_stop and self._stops(example, weights))

    def _matches(self, rule: Rule, ids: np.ndarray, targets: np.ndarray, parts: list[Target]) -> np.ndarray:
        """Positions of the targets that match a rule."""
        if rule.first is not None:
            return targets[: rule.first]
        if rule.last is not None:
            return targets[-rule.last :]
        if rule.pattern is None:
            wanted = self.special_ids if rule.special else np.array(rule.tokens, dtype=np.int64)
            return targets[np.isin(ids[targets], wanted)]
        positions: list[int] = []
        for part in parts:
            # Matches do not overlap and are in order, so both of their ends are sorted.
            matches = np.array([m.span() for m in rule.pattern.finditer(part.text) if m.end() > m.start()])
            if len(matches):
                starts, ends = part.spans.T
                nearest = np.searchsorted(matches[:, 1], starts, side="right").clip(max=len(matches) - 1)
                hit = (matches[nearest, 0] < ends) & (matches[nearest, 1] > starts)
                positions += np.array(part.positions)[hit].tolist()
        return np.array(positions, dtype=np.int64)

    def _texts(self, ids: np.ndarray, targets: np.ndarray) -> Iterator[Target]:
        """Runs of targets, cut at special tokens, which have no text."""
        plain = targets[~np.isin(ids[targets], self.special_ids)]
        for run in np.split(plain, np.flatnonzero(np.diff(plain) > 1) + 1):
            if len(run):
                yield self._decoded(ids, run.tolist())

    def _decoded(self, ids: np.ndarray, positions: list[int]) -> Target:
        """Text and character spans of a run. Tokens that share a character (as its bytes) have the same span."""
        stream = DecodeStream(skip_special_tokens=False)
        text, spans, waiting = "", np.zeros((len(positions), 2), dtype=np.int64), 0
        for number, position in enumerate(positions):
            piece = stream.step(self.core, int(ids[position]))
            if piece is None and number + 1 == len(positions):  # a run that ends inside a character
                piece = self.core.decode(ids[positions[waiting:]].tolist(), skip_special_tokens=False)
            if piece is not None:
                spans[waiting : number + 1] = len(text), len(text) + len(piece)
                text, waiting = text + piece, number + 1
        return Target(positions, text, spans)

    def _stops(self, example: Example, weights: np.ndarray) -> bool:
        """Whether every turn with targets keeps the stop token at its end."""
        is_stop = np.isin(example.ids, self.stop_ids) & (example.weights > 0)
        turn: np.ndarray = np.cumsum(is_stop) - is_stop  # the number of stop tokens before a token
        return not np.isin(turn[weights > 0], turn[is_stop & (weights == 0)]).any()
