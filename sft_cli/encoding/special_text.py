"""Keeps the string of a special token inside a message as plain text; special tokens of the template stay special."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cached_property
from typing import Any

from tokenizers import Tokenizer

LEARNED_AS_TEXT = "learned as plain text"
PRIVATE_PLANE = 0xF0000  # supplementary private use area A: 65 534 characters that no text should have


class PlainText:
    """Tokenises a rendered chat in one pass, so that texts of messages cannot create special tokens.

    Before rendering, `guard` replaces each special string in the messages with a private character. After rendering,
    all other special strings come from the template. `tokenize` renames them (same length, so offsets stay) to strings
    that only a renamed copy of the tokenizer knows as special, and restores the guarded strings as plain text.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder.values()
        # A special token that was not added is an ordinary piece (a line end that ends turns): no text contains its
        # name.
        names = set(tokenizer.all_special_tokens)
        strings = {str(token.content) for token in added if token.special or str(token.content) in names}
        self.specials = sorted((s for s in strings if s), key=lambda s: (-len(s), s))
        self.pattern = re.compile("|".join(map(re.escape, self.specials)) or r"(?!)")

    def guard(self, value: Any) -> tuple[str, Any]:
        """(guard, value with replaced special strings). The guard is the first of the private characters, or ""."""
        text = json.dumps(value, ensure_ascii=False, default=str)
        if not self.pattern.search(text):
            return "", value
        base = PRIVATE_PLANE
        while any(base <= ord(c) < base + len(self.specials) for c in text):
            base += len(self.specials)
        index = {special: chr(base + i) for i, special in enumerate(self.specials)}
        return chr(base), _map_strings(value, lambda s: self.pattern.sub(lambda m: index[m.group()], s))

    def restore(self, text: str, guard: str) -> str:
        """The text with restored special strings."""
        if not guard:
            return text
        base = ord(guard)
        private = re.compile(f"[{chr(base)}-{chr(base + len(self.specials) - 1)}]")
        return private.sub(lambda m: self.specials[ord(m.group()) - base], text)

    def tokenize(self, text: str, guard: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Token ids and character offsets into `restore(text, guard)`, that is, into the restored text."""
        if not guard:
            encoding = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
            return list(encoding["input_ids"]), list(encoding["offset_mapping"])
        renamed = self.pattern.sub(lambda m: _disguise(m.group()), text)
        encoding = self._disguised.encode(self.restore(renamed, guard), add_special_tokens=False)
        return list(encoding.ids), list(encoding.offsets)

    def tokenize_all(self, texts: list[tuple[str, str]]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """The result of `tokenize` for each (text, guard)."""
        plain = [text for text, guard in texts if not guard]
        whole = self.tokenizer(plain, add_special_tokens=False, return_offsets_mapping=True) if plain else {}
        tokenized = iter(zip(whole["input_ids"], whole["offset_mapping"], strict=True) if plain else ())
        return [self.tokenize(text, guard) if guard else next(tokenized) for text, guard in texts]

    @cached_property
    def _disguised(self) -> Tokenizer:
        """The same tokenizer with other names for its special tokens; their usual strings are plain text."""
        names = {special: _disguise(special) for special in self.specials}
        document = json.loads(self.tokenizer.backend_tokenizer.to_str())
        for token in document["added_tokens"]:
            token["content"] = names.get(token["content"], token["content"])
        model = document["model"]
        if isinstance(model.get("vocab"), dict):
            model["vocab"] = {names.get(piece, piece): index for piece, index in model["vocab"].items()}
        elif isinstance(model.get("vocab"), list):
            model["vocab"] = [[names.get(piece, piece), score] for piece, score in model["vocab"]]
        if model.get("unk_token") in names:
            model["unk_token"] = names[model["unk_token"]]
        document["truncation"] = document["padding"] = None
        return Tokenizer.from_str(json.dumps(document))


def notes_of_text(row: dict[str, Any], has_names: bool) -> tuple[str, ...]:
    """The notes about a row of raw text."""
    notes = []
    if has_names:
        notes.append(
            f"of text with names of special tokens, which are {LEARNED_AS_TEXT} (--special-tokens-in-text makes "
            "them tokens)"
        )
    if row.get("tools"):
        notes.append("of text with tools, which the model does not see")
    return tuple(notes)


def notes_of_chat(messages: list[dict[str, Any]], learned: list[int], stops: list[str]) -> list[str]:
    """The notes about messages with names of special tokens."""
    ends = tuple(stop for stop in stops if stop.strip())
    names = ", ".join(ends)
    if any((messages[turn].get("content") or "").rstrip().endswith(ends) for turn in learned):
        return [
            f"with an answer that ends with the text {names}, which is {LEARNED_AS_TEXT}; the chat template writes "
            "the stop token itself, so remove the text from the answers"
        ]
    return [
        "with names of special tokens in messages, which are plain text (the chat template writes the tokens "
        "of roles and turns)"
    ]


def _disguise(special: str) -> str:
    """Another string of the same length, one for each special string, that no text has."""
    return "".join(chr(0x100000 + ord(c) % 0xFFFD) for c in special)


def _map_strings(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_map_strings(item, change) for item in value]
    if isinstance(value, dict):
        return {key: _map_strings(item, change) for key, item in value.items()}
    return value
