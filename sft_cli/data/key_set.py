"""A set of 64-bit keys in an array, to which many are added at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

FIRST_SLOTS = 1 << 16


class KeySet:
    """A set of 64-bit hashes: 11 to 32 bytes for each key. Open addressing with linear probing; 0 is an empty slot."""

    def __init__(self) -> None:
        import numpy as np

        self.slots = np.zeros(FIRST_SLOTS, dtype=np.uint64)
        self.count = 0

    def add(self, keys: np.ndarray) -> np.ndarray:
        """Add keys, uint64 (n,); returns for each whether it was added before, here or by an earlier key of `keys`."""
        import numpy as np

        keys = np.where(keys == 0, np.uint64(1), keys)
        unique, firsts, inverse = np.unique(keys, return_index=True, return_inverse=True)
        while 2 * (self.count + len(unique)) > len(self.slots):
            self._grow()
        is_known = self._insert(unique)
        self.count += len(unique) - int(is_known.sum())
        repeats = np.ones(len(keys), dtype=bool)
        repeats[firsts] = False
        return repeats | is_known[inverse]

    def _grow(self) -> None:
        import numpy as np

        old = self.slots[self.slots != 0]
        self.slots = np.zeros(2 * len(self.slots), dtype=np.uint64)
        self._insert(old)

    def _insert(self, unique: np.ndarray) -> np.ndarray:
        """Insert different keys; returns which of them were there."""
        import numpy as np

        mask = np.uint64(len(self.slots) - 1)
        places = unique & mask
        is_known = np.zeros(len(unique), dtype=bool)
        waiting = np.arange(len(unique))
        while len(waiting):
            there = self.slots[places[waiting]]
            is_same, is_empty = there == unique[waiting], there == 0
            is_known[waiting[is_same]] = True
            candidates = waiting[is_empty]
            # Of several candidates for one slot one stays; the others look at the slot again, which is now taken.
            self.slots[places[candidates]] = unique[candidates]
            lost = candidates[self.slots[places[candidates]] != unique[candidates]]
            others = waiting[~is_same & ~is_empty]
            places[others] = (places[others] + np.uint64(1)) & mask
            waiting = np.concatenate([lost, others])
        return is_known
