"""Fast tokenisation: text is cut where the tokenizer always cuts it, and each chunk is tokenised once.

A tokenizer of the GPT-2 family never joins a single space between two words with the text before it. Therefore the
token ids of a text are those of its chunks, cut before each such space. Most chunks (a word and its punctuation) occur
many times. The tokenizer itself tokenises the chunks.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from dataclasses import dataclass
from itertools import filterfalse, islice
from typing import Any

import numpy as np

# Split patterns (of Llama 3 and of Qwen 2) in which a space between two characters that are not white space can only
# begin a match, and which look ahead only for white space: a cut there changes nothing.
KNOWN_SPLITS = tuple(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
    + numbers
    + r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    for numbers in (r"\p{N}{1,3}", r"\p{N}")
)
CHUNK_PROBES = (
    "a b  c   d\n e\n\n  f \n g\t h",
    "I'm 12 345.6 (x) 'll  's",
    "|  1 \n 2\n  3",
    " lead",
    "trail ",
    "日本 の\u3000通貨 é e\u0301 x",
    "\r\n  def f(x):\r\n\treturn  x\n\n\n",
    "🙂 🙂🏽\u200d x \u00a0y \u2028 z\u0085 b \x1c c",
    "it's 3x x3 (FP), land,\nWhere decision-making.\n\n2. été, naïve. ça's",
    " ",
    "\n",
)
LONG_SPACE = re.compile(r" (?:(?!\S)|(?<!\S ))")  # a space next to white space or to the end of the text
CUT = re.compile(r"(?<=\S) (?=\S)")
PLAIN_WORD = re.compile(r"([A-Za-z]+)(?=[\x00-\x40\x5b-\x60\x7b-\x7f])")  # followed by another ASCII character
LONGEST_KEPT = 64  # characters; a longer chunk rarely occurs again
GROUP = 256  # chunks in one call of the tokenizer
MOST_KEPT = 1 << 18  # chunks; then the store is emptied, so that memory does not grow


@dataclass
class Tokens:
    """Token ids (T,) int32 of a text, and for each requested character the index of the first token from there.

    `marks` are (index, whether a token crosses the character), or None if the chunks cannot decide it.
    """

    ids: np.ndarray
    marks: list[tuple[int, bool] | None]


class ChunkTokenizer:
    """Returns the tokens of the tokenizer, without added special tokens, for texts without guarded strings."""

    def __init__(self, tokenizer: Any) -> None:
        self.core = tokenizer.backend_tokenizer
        self.core.no_truncation()
        self.core.no_padding()
        added = tokenizer.added_tokens_decoder
        self.added = {str(token.content): np.int32(index).tobytes() for index, token in added.items()}
        names = sorted((name for name in self.added if name), key=lambda name: (-len(name), name))
        self.pattern = re.compile(f"({'|'.join(map(re.escape, names))})" if names else r"((?!))")
        self.separator = names[0] if names else ""
        self.separator_id = tokenizer.convert_tokens_to_ids(self.separator)
        # Chunks at the beginning of a segment, and chunks after a space (stored without the space).
        self.first: dict[str, bytes] = {}
        self.spaced: dict[str, bytes] = {}
        self.offsets: dict[str, tuple[list[int], list[int]]] = {}

    @classmethod
    def of(cls, tokenizer: Any) -> ChunkTokenizer | None:
        """A Chunks for this tokenizer, or None if its text must not be cut before spaces."""
        if not _is_known(tokenizer):
            return None
        chunks = cls(tokenizer)
        whole = [tokenizer(probe, add_special_tokens=False).input_ids for probe in CHUNK_PROBES]
        cut = chunks.tokenize(list(CHUNK_PROBES), [[] for _ in CHUNK_PROBES])
        return chunks if [tokens.ids.tolist() for tokens in cut] == whole else None

    def tokenize(self, texts: list[str], asked: list[list[int]]) -> list[Tokens]:
        """The tokens of each text, and the marks of the requested characters of each text (in rising order)."""
        if len(self.first) + len(self.spaced) + len(self.offsets) > MOST_KEPT:
            self.first, self.spaced, self.offsets = {}, {}, {}
        parts = [self.pattern.split(text) for text in texts]  # segment, added token, segment, …, segment
        cut = [[_cut_segment(segment) for segment in each[::2]] for each in parts]
        first = list({chunks[0] for segments in cut for chunks in segments} - self.first.keys())
        unknown: set[str] = set()
        for segments in cut:
            for chunks in segments:
                unknown.update(filterfalse(self.spaced.__contains__, islice(chunks, 1, None)))
        self._learn(first, unknown)
        tokens = [self._join(*each) for each in zip(parts, cut, asked, strict=True)]
        for chunk in filter(_is_long, first):
            del self.first[chunk]
        for chunk in filter(_is_long, unknown):
            del self.spaced[chunk]
        return tokens

    def _learn(self, first: list[str], spaced: set[str]) -> None:
        """Add unknown chunks. Of `word.` the word is stored separately, because it also occurs without its stop: all
        patterns end a match between an ASCII letter and another ASCII character.
        """
        new, cut, tails = [], [], set(first)
        for chunk in spaced:
            match = None if chunk.isalpha() or len(chunk) > LONGEST_KEPT else PLAIN_WORD.match(chunk)
            if match is None:
                new.append(chunk)
            else:
                word, tail = match[1], chunk[match.end() :]
                cut.append((chunk, word, tail))
                tails.add(tail)
        new += {word for _, word, _ in cut if word not in self.spaced and word not in spaced}
        unknown = [tail for tail in tails if tail not in self.first]
        self.first.update(zip(unknown, self._encode(unknown, ""), strict=True))
        self.spaced.update(zip(new, self._encode(new, " "), strict=True))
        self.spaced.update({chunk: self.spaced[word] + self.first[tail] for chunk, word, tail in cut})

    def _encode(self, chunks: list[str], before: str) -> list[bytes]:
        """The ids of each chunk with `before` in front, as bytes of int32. All cores work on it, in Rust.

        Chunks go in together, with an added token between them, at which the tokenizer always cuts: one by one they
        would take three times as long.
        """
        groups = [chunks[start : start + GROUP] for start in range(0, len(chunks), GROUP)]
        texts = [before + (self.separator + before).join(group) for group in groups]
        encoded: list[bytes] = []
        for encoding in self.core.encode_batch_fast(texts, add_special_tokens=False):
            ids = np.array(encoding.ids, dtype=np.int32)
            ends = (4 * np.flatnonzero(ids == self.separator_id)).tolist()
            whole, start = ids.tobytes(), 0
            for end in ends:
                encoded.append(whole[start:end])
                start = end + 4
            encoded.append(whole[start:])
        return encoded

    def _join(self, parts: list[str], cut: list[list[str]], asked: list[int]) -> Tokens:
        ids: list[bytes] = []
        marks: list[tuple[int, bool] | None] = []
        at = count = 0  # characters and tokens before this segment
        for number, chunks in enumerate(cut):
            end = at + len(parts[2 * number])
            while len(marks) < len(asked) and asked[len(marks)] <= end:
                marks.append(self._mark(chunks[0], asked[len(marks)] - at, count))
            whole = self.first[chunks[0]] + b"".join(map(self.spaced.__getitem__, islice(chunks, 1, None)))
            if 2 * number + 1 < len(parts):
                added = parts[2 * number + 1]
                whole += self.added[added]
                end += len(added)
            ids.append(whole)
            count += len(whole) // 4
            at = end
            while len(marks) < len(asked) and asked[len(marks)] < end:  # inside the added token
                marks.append(None)
        return Tokens(np.frombuffer(b"".join(ids), dtype=np.int32), marks)

    def _mark(self, first: str, character: int, before: int) -> tuple[int, bool] | None:
        """The mark of a character of a segment, which begins at 0 and with the chunk `first`.

        After the first chunk, and at its end, this would also need the offsets of earlier tokens.
        """
        if character == 0:
            return before, False
        if character >= len(first):
            return None
        offsets = self.offsets.get(first)
        if offsets is None:
            arrays = whole_offsets(self.core.encode(first, add_special_tokens=False).offsets)
            offsets = arrays[0].tolist(), arrays[1].tolist()
            if not _is_long(first):
                self.offsets[first] = offsets
        starts, ends = offsets
        index = bisect_left(starts, character)
        return before + index, any(end > character for end in ends[:index])


def whole_offsets(offsets: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends (T,) of tokens with white space: many tokenizers exclude the leading space of a token.

    If a token begins after the end of the token before it, it is moved to that end. Otherwise a token such as " The"
    after a prompt that ends in a space would belong completely to the answer.
    """
    ends = np.array([end for _, end in offsets], dtype=np.int64)
    before = np.concatenate([[0], np.maximum.accumulate(ends)[:-1]]) if len(ends) else ends
    return np.minimum(np.array([start for start, _ in offsets], dtype=np.int64), before), ends


def _cut_segment(segment: str) -> list[str]:
    """A segment cut before each space without white space beside it; this space is not part of the chunk."""
    return CUT.split(segment) if LONG_SPACE.search(segment) else segment.split(" ")


def _is_long(chunk: str) -> bool:
    return len(chunk) > LONGEST_KEPT


def _is_known(tokenizer: Any) -> bool:
    """Whether the text of a tokenizer may be cut before a single space between two words."""
    core = tokenizer.backend_tokenizer
    normalizer, first = _described(core.normalizer), _described(core.pre_tokenizer)
    steps = first["pretokenizers"] if first["type"] == "Sequence" else [first]
    if not all(_keeps_cuts(step) for step in steps) or not any(_cuts(step) for step in steps):
        return False
    if normalizer["type"] not in ("none", "NFC"):  # NFC: a space never combines with the text before it
        return False
    added = tokenizer.added_tokens_decoder.values()
    if any(token.single_word or token.lstrip or token.rstrip for token in added):
        return False
    normalized = {token.normalized for token in added}
    is_simple = normalized == {False} or (normalizer["type"] == "none" and len(normalized) == 1)
    return is_simple and getattr(core.model, "dropout", None) is None and not tokenizer.split_special_tokens


def _described(part: Any) -> dict[str, Any]:
    """A part of a tokenizer as in tokenizer.json."""
    return json.loads(part.__getstate__()) if part is not None else {"type": "none"}


def _cuts(step: dict[str, Any]) -> bool:
    return step["type"] == "Split" or (step["type"] == "ByteLevel" and step["use_regex"])


def _keeps_cuts(step: dict[str, Any]) -> bool:
    if step["type"] == "Split":
        is_plain = step["behavior"] == "Isolated" and not step["invert"]
        return is_plain and step["pattern"].get("Regex") in KNOWN_SPLITS
    return step["type"] == "Digits" or (step["type"] == "ByteLevel" and not step["add_prefix_space"])
