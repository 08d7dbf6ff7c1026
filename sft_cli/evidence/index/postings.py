"""From the words of each passage to the passages of each word, with their BM25 scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sft_cli.evidence.bm25 import frequency_weight, inverse_frequency
from sft_cli.evidence.index.arrays import mapped_array, new_array

BLOCK = 4_000_000  # entries that are sorted at once: about 200 MB


def write_postings(folder: Path, words: int) -> None:
    """Turn the rows of an index (passage → words) into postings (word → passages), in memory that does not grow.

    words: number of words. Each block of passages is sorted by word, and its entries go behind those of the blocks
    before, so the passages of a word are in order.
    """
    import numpy

    lengths, ends = mapped_array(folder, "lengths"), mapped_array(folder, "row_ends")
    entries = mapped_array(folder, "row_words")
    found_in = numpy.zeros(words, dtype=numpy.int64)
    for start in range(0, len(entries), BLOCK):
        found_in += numpy.bincount(entries[start : start + BLOCK], minlength=words)
    starts = new_array(folder, "word_starts", words + 1)
    starts[1:] = numpy.cumsum(found_in)
    passages, scores = (new_array(folder, name, len(entries)) for name in ("word_passages", "word_scores"))
    rarity = inverse_frequency(found_in, len(lengths))
    mean = float(lengths.mean(dtype=numpy.float64)) if len(lengths) else 1.0
    free = starts[:-1].astype(numpy.int64)  # the next place of each word
    for first, last in _passage_blocks(ends):
        block = _sorted_block(folder, first, last)
        word, passage, count = block
        changes = numpy.flatnonzero(numpy.diff(word, prepend=-1))  # where the entries of a word begin
        sizes = numpy.diff(changes, append=len(word))
        place = numpy.arange(len(word)) + numpy.repeat(free[word[changes]] - changes, sizes)
        passages[place] = passage
        scores[place] = rarity[word] * frequency_weight(count, lengths[passage].astype(numpy.float64), mean)
        free[word[changes]] += sizes
    for array in (starts, passages, scores):
        if len(array) and hasattr(array, "flush"):
            array.flush()


def _passage_blocks(ends: Any) -> list[tuple[int, int]]:
    """Ranges of passages, each with about BLOCK entries."""
    import numpy

    blocks, first = [], 0
    while first < len(ends):
        begin = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(numpy.searchsorted(ends, begin + BLOCK, side="right")))
        blocks.append((first, last))
        first = last
    return blocks


def _sorted_block(folder: Path, first: int, last: int) -> tuple[Any, Any, Any]:
    """(word, passage, count) of the entries of passages [first, last), sorted by word and then by passage."""
    import numpy

    ends = mapped_array(folder, "row_ends")
    begin = int(ends[first - 1]) if first else 0
    end = int(ends[last - 1])
    word = mapped_array(folder, "row_words")[begin:end].astype(numpy.int64)
    count = mapped_array(folder, "row_counts")[begin:end].astype(numpy.float64)
    sizes = numpy.diff(ends[first:last].astype(numpy.int64), prepend=begin)
    passage = numpy.repeat(numpy.arange(first, last), sizes)
    order = numpy.argsort(word, kind="stable")
    return word[order], passage[order], count[order]
