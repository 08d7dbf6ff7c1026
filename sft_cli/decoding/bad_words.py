"""Texts that no completion may contain, in any tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from sft_cli.encoding.encoder import Encoder
from sft_cli.run.errors import UserError

BYTE = re.compile(r"<0x([0-9A-F]{2})>")  # a token of SentencePiece for one byte


class BadWords:
    """The tokens that would complete one of the words after the text so far.

    A word ends within one token. The text of this token either contains the word, or begins with the rest of it. Bytes
    are compared, so that a character of several tokens also counts. A word that is a special token is forbidden as this
    token.
    """

    def __init__(self, encoder: Encoder, words: Sequence[str], forced_prefix: str = "") -> None:
        tokenizer, self.encoder, self.prefix = encoder.tokenizer, encoder, forced_prefix.encode()
        self.words = [word.encode() for word in words]
        for word in words:
            if not word or word in forced_prefix:
                where = "expected a text, got an empty one" if not word else f"{word!r} is in --forced-prefix"
                raise UserError(f"--bad-words: {where}")
        self.longest = max(map(len, self.words), default=0)
        self.special_ids = {tokenizer.convert_tokens_to_ids(word) for word in words if word in encoder.plain.specials}
        self.endings: dict[bytes, list[int]] = {}  # the tokens that begin with the rest of a word

    @cached_property
    def texts(self) -> list[bytes]:
        """The bytes of each token; empty for special tokens, which are not part of a completion."""
        return token_bytes(self.encoder.tokenizer)

    @cached_property
    def whole(self) -> set[int]:
        """Tokens that are a word, or contain one."""
        tokens = {token for token, text in enumerate(self.texts) if any(word in text for word in self.words)}
        return tokens | self.special_ids

    def next(self, ids: Sequence[int]) -> set[int]:
        """Tokens that must not follow the ids of a completion."""
        if not self.words:
            return set()
        tail, count = b"", len(ids)
        while count and len(tail) < self.longest:
            count -= 1
            tail = (self.texts[ids[count]] if ids[count] < len(self.texts) else b"") + tail  # a model may have more ids
        tail = tail if len(tail) >= self.longest else self.prefix + tail
        banned = set(self.whole)
        for word in self.words:
            for length in range(1, len(word)):
                if tail.endswith(word[:length]):
                    banned.update(self._beginning_with(word[length:]))
        return banned

    def _beginning_with(self, rest: bytes) -> list[int]:
        if rest not in self.endings:
            self.endings[rest] = [token for token, text in enumerate(self.texts) if text.startswith(rest)]
        return self.endings[rest]


def token_bytes(tokenizer: Any) -> list[bytes]:
    """The bytes that each token adds to a text, by its id; empty for special tokens.

    Byte-level tokens are spelled in an alphabet of bytes; SentencePiece writes ▁ for a space and <0x0A> for a byte.
    """
    decoder = json.dumps(json.loads(tokenizer.backend_tokenizer.to_str())["decoder"])
    is_byte_level = '"ByteLevel"' in decoder
    alphabet = byte_alphabet()
    texts = []
    size = 1 + max(tokenizer.get_vocab().values())
    added = tokenizer.added_tokens_decoder
    for token, piece in enumerate(tokenizer.convert_ids_to_tokens(list(range(size)))):
        byte = BYTE.fullmatch(piece or "")
        if token in added or piece is None:
            text = b"" if piece is None or added[token].special else piece.encode()
        elif is_byte_level:
            text = b"".join(alphabet.get(letter, letter.encode()) for letter in piece)
        elif byte:
            text = bytes.fromhex(byte[1])
        else:
            text = piece.replace("▁", " ").encode()
        texts.append(text)
    return texts


def byte_alphabet() -> dict[str, bytes]:
    """The byte of each letter in which byte-level tokens are spelled.

    Source: `bytes_to_unicode` of GPT-2's encoder.py: printable bytes stay, others are numbered from U+0100.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {chr(byte): bytes([byte]) for byte in printable}
    return letters | {chr(0x100 + number): bytes([byte]) for number, byte in enumerate(others)}
