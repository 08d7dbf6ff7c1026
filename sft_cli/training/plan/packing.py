"""Documents into bins with a largest number of tokens: best fit, in O(n log n), every document exactly once."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

import numpy as np

WORD_BITS = 10  # bits of a number for one level of RoomIndex


class RoomIndex:
    """A set of whole numbers from 0 to `highest` that finds its smallest member of at least x.

    A tree of bit sets of 2**WORD bits each; a bit shows that there are members below it. Every call reads a fixed
    number of words (`steps` counts them), for any number of members: 2 levels reach a million, 3 levels 10⁹.
    """

    def __init__(self, highest: int) -> None:
        self.levels: list[dict[int, int]] = [{} for _ in range(max(1, -(-highest.bit_length() // WORD_BITS)))]
        self.steps = 0

    def add(self, number: int) -> None:
        """Add a number; it may already be a member."""
        for words in self.levels:
            self.steps += 1
            number, bit = number >> WORD_BITS, number & ((1 << WORD_BITS) - 1)
            before = words.get(number, 0)
            words[number] = before | 1 << bit
            if before:
                return

    def remove(self, number: int) -> None:
        """Remove a member."""
        for words in self.levels:
            self.steps += 1
            number, bit = number >> WORD_BITS, number & ((1 << WORD_BITS) - 1)
            words[number] ^= 1 << bit
            if words[number]:
                return
            del words[number]

    def at_least(self, number: int) -> int | None:
        """The smallest member that is not below `number`, or None."""
        for level, words in enumerate(self.levels):
            self.steps += 1
            place, bit = number >> WORD_BITS, number & ((1 << WORD_BITS) - 1)
            bits = words.get(place, 0) >> bit << bit
            if bits:
                number = place << WORD_BITS | _lowest_bit(bits)
                for below in reversed(self.levels[:level]):
                    self.steps += 1
                    number = number << WORD_BITS | _lowest_bit(below[number])
                return number
            number = place + 1
        return None


def _lowest_bit(bits: int) -> int:
    return (bits & -bits).bit_length() - 1


def best_fit(
    lengths: Sequence[int], capacity: int, order: Iterable[int], index: RoomIndex | None = None
) -> list[list[int]]:
    """Put documents, in this order, each into the bin with the least sufficient room, otherwise into a new bin.

    Returns bins of positions in `lengths`, in the order in which they were opened. A document longer than `capacity` is
    alone in its bin. Of bins with the same room the latest is taken, so the result is a function of the arguments.
    """
    bins: list[list[int]] = []
    index = index or RoomIndex(capacity)
    with_room: dict[int, list[int]] = {}
    for position in order:
        length = lengths[position]
        room = index.at_least(length) if length <= capacity else None
        if room is None:
            number, room = len(bins), max(capacity, length)
            bins.append([])
        else:
            number = with_room[room].pop()
            if not with_room[room]:
                index.remove(room)
        bins[number].append(position)
        room -= length
        if room:
            if not with_room.setdefault(room, []):
                index.add(room)
            with_room[room].append(number)
    return bins


def microbatches(lengths: Sequence[int], microbatch_tokens: int) -> list[list[int]]:
    """Cut a step's documents into micro-batches of at most `microbatch_tokens`; a longer document is alone.

    The number of micro-batches is the smaller of two: by best fit decreasing, or by the given order (so a step of k
    full bins is cut into at most k). Then their sizes are made more equal, if this needs no more micro-batches. Returns
    lists of positions in `lengths`, with each document in exactly one list.
    """
    decreasing = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    bins = best_fit(lengths, microbatch_tokens, decreasing)
    straight = _as_they_come(lengths, microbatch_tokens)
    if len(straight) < len(bins):
        bins = straight
    even = _evenly(lengths, decreasing, len(bins))
    if all(len(members) == 1 or sum(lengths[i] for i in members) <= microbatch_tokens for members in even):
        bins = even
    check_conserved(bins, range(len(lengths)), lengths)
    return [sorted(members) for members in bins]


def _as_they_come(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Consecutive documents, as many as fit each time: no other cut of this order needs fewer bins."""
    bins: list[list[int]] = []
    room = -1
    for position, length in enumerate(lengths):
        if length > room:
            bins.append([])
            room = capacity
        bins[-1].append(position)
        room -= length
    return bins


def _evenly(lengths: Sequence[int], decreasing: Sequence[int], count: int) -> list[list[int]]:
    """Each document to the bin with the fewest tokens so far, the longest first (Graham 1969)."""
    bins: list[list[int]] = [[] for _ in range(count)]
    filled = [(0, number) for number in range(count)]
    for position in decreasing:
        tokens, number = filled[0]
        bins[number].append(position)
        heapq.heapreplace(filled, (tokens + lengths[position], number))
    return bins


def check_conserved(parts: Sequence[Sequence[int]], rows: Sequence[int], lengths: Sequence[int] | np.ndarray) -> None:
    """Raise RuntimeError unless the parts have these rows, each as often as in `rows`, and therefore their tokens.

    Cheap and always on: no other check would show that a packer loses or repeats rows.
    """
    packed = np.fromiter((row for part in parts for row in part), dtype=np.int64)
    sizes, wanted = np.asarray(lengths, dtype=np.int64), np.asarray(rows, dtype=np.int64)
    is_same = np.array_equal(np.bincount(packed, minlength=len(sizes)), np.bincount(wanted, minlength=len(sizes)))
    if not is_same or int(sizes[packed].sum()) != int(sizes[wanted].sum()):
        raise RuntimeError(
            f"packing lost or repeated rows: {len(wanted)} rows of {sizes[wanted].sum()} tokens went in, "
            f"{len(packed)} of {sizes[packed].sum()} came out"
        )


def pack_file(lengths: Sequence[int], capacity: int, order: Sequence[int], seeds: tuple[int, ...]) -> list[list[int]]:
    """All rows of an epoch into bins, in a seeded order.

    Best fit: first rows of more than a quarter of a bin, longest first, then the rest. The rest, and rows of equal
    length, are in the given order, which is also seeded: bins differ between epochs, and short rows are spread over
    them at random. (Longest first for all rows packs up to 1 % fuller, but then the last bins have only short rows.)
    """
    long_first = sorted(order, key=lambda row: -lengths[row] if lengths[row] * 4 > capacity else 0)
    bins = best_fit(lengths, capacity, long_first)
    check_conserved(bins, order, lengths)
    return [bins[number] for number in np.random.default_rng(seeds).permutation(len(bins))]
