"""How several processes share out the documents of a step."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from sft_cli.training.plan.packing import microbatches


def share_documents(lengths: Sequence[int], microbatch_tokens: int, rank: int, size: int) -> list[list[int]]:
    """The micro-batches of one of `size` processes, as positions in `lengths`.

    Documents are dealt so that tokens are balanced. All processes get the same number of micro-batches, because
    each is a collective call under FSDP2; where there is nothing left to do, one is empty.
    """
    if size == 1:
        return microbatches(lengths, microbatch_tokens)
    parts = []
    for group in deal(lengths, size):
        bins = microbatches([lengths[i] for i in group], microbatch_tokens)
        bins = [[group[i] for i in members] for members in bins]
        # Largest first on every process, so that processes that wait for each other have about the same work.
        parts.append(sorted(bins, key=lambda members: -sum(lengths[i] for i in members)))
    own = parts[rank]
    return own + [[] for _ in range(max(map(len, parts)) - len(own))]


def deal(lengths: Sequence[int], hands: int) -> list[list[int]]:
    """Positions of `lengths` in `hands` groups of about equal sums: the longest first, to the smallest group.

    Source: Graham 1969 (longest processing time first): the largest sum is at most 4/3 of the best possible.
    """
    groups: list[list[int]] = [[] for _ in range(hands)]
    heap = [(0, hand) for hand in range(hands)]
    for position in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        total, hand = heapq.heappop(heap)
        groups[hand].append(position)
        heapq.heappush(heap, (total + int(lengths[position]), hand))
    return [sorted(group) for group in groups]
