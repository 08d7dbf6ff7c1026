"""A set of ids in little memory."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from hashlib import blake2b


class SeenIds:
    """A set of ids as hashes of 64 bits: 11 to 22 bytes each; a set of strings takes a hundred.

    Among a million different ids, the probability that two have one hash is 3 in 100 million.
    """

    def __init__(self, warn: Callable[[str], None] = lambda text: None) -> None:
        self.warn = warn
        self.has_told = False
        self.slots = array("Q", bytes(8 << 10))  # open addressing; 0 is an empty slot
        self.count = 0

    def add(self, name: str) -> bool:
        """Whether this id is new."""
        digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return self.add_key(int.from_bytes(digest, "little"))

    def add_key(self, key: int) -> bool:
        """Whether this 64-bit hash is new."""
        if 4 * self.count >= 3 * len(self.slots):
            self._grow()
        key = key or 1
        place = self._place(key)
        if self.slots[place] == key:
            return False
        self.slots[place] = key
        self.count += 1
        return True

    def _grow(self) -> None:
        old, self.slots = self.slots, array("Q", bytes(16 * len(self.slots)))
        for key in old:
            if key:
                self.slots[self._place(key)] = key

    def tell_repeat(self, what: str) -> None:
        """Warn about the first id that was seen before."""
        if not self.has_told:
            self.has_told = True
            self.warn(
                f"{what} occurs twice, and others may too: generate, score and compare need unique ids\n"
                "hint: --drop-field id gives each row a new id"
            )

    def _place(self, key: int) -> int:
        """The slot of a key, or the slot for it."""
        mask = len(self.slots) - 1
        place = key & mask
        while self.slots[place] not in (0, key):
            place = (place + 1) & mask
        return place
