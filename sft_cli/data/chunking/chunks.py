"""From a document to passages: cut at headings and at the ends of sentences, with some overlap."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from sft_cli.data.chunking.blocks import FENCE_LINE, Block
from sft_cli.data.chunking.sentences import split_sentences
from sft_cli.run.writing_systems import HAN_RANGES, HANGUL, KANA

# A token of --chunk-tokens: a character of a script without spaces, or a run of other characters without a space. A run
# of more than 64 characters counts as several, so that a file of one endless word is cut too.
TOKEN = re.compile(rf"[{HAN_RANGES}{KANA}{HANGUL}]|[^\s{HAN_RANGES}{KANA}{HANGUL}]{{1,64}}")
PARAGRAPH_END = "\n\n"


class Piece(NamedTuple):
    """A sentence, or a part of one, with the white space after it, and its number of tokens."""

    text: str
    tokens: int


class Chunk(NamedTuple):
    """A part of a document, and the headings above it."""

    headings: tuple[str, ...]
    text: str


def chunk_length(text: str) -> int:
    """The number of words, where each Chinese, Japanese or Korean character is a word."""
    return sum(1 for _ in TOKEN.finditer(text))


def cut_document(blocks: Iterable[Block], most: int, overlap: int) -> Iterator[Chunk]:
    """The chunks of a document, each at most `most` tokens long; 0: the whole document is one.

    A heading begins a new chunk. A chunk ends with a sentence, unless one sentence is longer than a chunk: this is cut
    between words. The last sentences of a chunk, up to `overlap` tokens, are also the first of the next.
    """
    if not most:
        text = PARAGRAPH_END.join(block.text for block in blocks)
        if text.strip():
            yield Chunk((), text)
        return
    trail: list[Block] = []
    packer = Packer(most, overlap)
    for block in blocks:
        if block.level:
            yield from packer.end(trail)
            trail = [*(heading for heading in trail if heading.level < block.level), block]
            continue
        for piece in pieces_of(block.text, most):
            yield from packer.add(piece, trail)
    yield from packer.end(trail)


def pieces_of(text: str, most: int) -> Iterator[Piece]:
    """The sentences of a paragraph, as they are written; one that is too long is cut between words.

    A block of code is one sentence.
    """
    spans = [(0, len(text))] if FENCE_LINE.match(text) else split_sentences(text)
    for (start, _), after in zip(spans, [*(begin for begin, _ in spans[1:]), len(text)], strict=True):
        sentence = text[start:after]
        tokens = [match.start() for match in TOKEN.finditer(sentence)]
        cuts = [0, *tokens[most::most], len(sentence)]
        for begin, end in pairwise(cuts):
            is_last = end == len(sentence) and after == len(text)
            piece = sentence[begin:end] + (PARAGRAPH_END if is_last else "")
            yield Piece(piece, chunk_length(piece))


class Packer:
    """Puts pieces together until a chunk is full."""

    def __init__(self, most: int, overlap: int) -> None:
        self.most, self.overlap = most, overlap
        self.pieces: list[Piece] = []
        self.repeated = 0  # how many of them the chunk before also has

    def add(self, piece: Piece, trail: list[Block]) -> Iterator[Chunk]:
        """Add a piece; yields the chunk before it if it does not fit."""
        if len(self.pieces) > self.repeated and self._tokens() + piece.tokens > self.most:
            yield self._chunk(trail)
            self._keep_overlap(piece)
        while self.repeated and self._tokens() + piece.tokens > self.most:
            del self.pieces[0]
            self.repeated -= 1
        self.pieces.append(piece)

    def end(self, trail: list[Block]) -> Iterator[Chunk]:
        """Yield the last chunk of a section, if it has text of its own."""
        if len(self.pieces) > self.repeated:
            yield self._chunk(trail)
        self.pieces, self.repeated = [], 0

    def _tokens(self) -> int:
        return sum(piece.tokens for piece in self.pieces)

    def _chunk(self, trail: list[Block]) -> Chunk:
        text = "".join(piece.text for piece in self.pieces).strip()
        return Chunk(tuple(heading.text for heading in trail if heading.text), text)

    def _keep_overlap(self, piece: Piece) -> None:
        room = min(self.overlap, self.most - piece.tokens)
        kept: list[Piece] = []
        for last in reversed(self.pieces):
            room -= last.tokens
            if room < 0:
                break
            kept.insert(0, last)
        # A chunk must begin later than the one before.
        self.pieces = kept if len(kept) < len(self.pieces) else kept[1:]
        self.repeated = len(self.pieces)
