"""n-grams of tokens as 64-bit numbers, so that those of a whole file fit in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

FACTOR = 0x9E3779B97F4A7C15  # odd, so that no bit of a token is lost


@lru_cache(maxsize=1_000_000)
def token_number(token: str) -> int:
    """A 64-bit number of a token, equal in every process."""
    return int.from_bytes(hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def ngram_numbers(tokens: Sequence[str], n: int) -> np.ndarray:
    """The number of each n-gram, uint64 (tokens − n + 1,); none if there are fewer than n tokens.

    Two different n-grams have one number with a probability of about 2^-64.
    """
    import numpy as np

    size = max(len(tokens) - n + 1, 0)
    single = np.fromiter(map(token_number, tokens), dtype=np.uint64, count=len(tokens))
    numbers = np.zeros(size, dtype=np.uint64)
    for place in range(n if size else 0):
        numbers = numbers * np.uint64(FACTOR) + single[place : place + size]
    return numbers


def places_in(table: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The place of each number in a sorted table, and whether the table has it; both (numbers,)."""
    import numpy as np

    if not len(table):
        return np.zeros(len(numbers), dtype=int), np.zeros(len(numbers), dtype=bool)
    places = np.minimum(np.searchsorted(table, numbers), len(table) - 1)
    return places, table[places] == numbers
