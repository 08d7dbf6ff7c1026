"""Zstandard streams that notice when they are cut off: zstandard's own reader gives what there is, and no error."""

from __future__ import annotations

import io
from typing import IO, Any

READ_BYTES = 1 << 10  # four bytes may stand for 128 KiB of zeros: a larger one could fill the memory


class ZstdReader(io.RawIOBase):
    """The bytes of one or more frames; raises EOFError if the last one is not whole, OSError if it is damaged."""

    def __init__(self, source: IO[bytes]) -> None:
        import zstandard

        self.source = source
        self.decompressor, self.error = zstandard.ZstdDecompressor(), zstandard.ZstdError
        self.frame: Any = None
        self.packed = self.plain = b""
        self.given = 0

    def readable(self) -> bool:
        """It reads."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as one block goes; 0 at the end."""
        while self.given == len(self.plain):
            self.packed = self.packed or self.source.read(READ_BYTES)
            if not self.packed:
                if self.frame is not None:
                    raise EOFError("Compressed file ended before the end of its zstd frame")
                return 0
            self.frame = self.frame or self.decompressor.decompressobj()
            try:
                self.plain, self.given = self.frame.decompress(self.packed), 0
            except self.error as error:
                raise OSError(str(error)) from error
            self.packed = self.frame.unused_data if self.frame.eof else b""
            self.frame = None if self.frame.eof else self.frame
        size = min(len(buffer), len(self.plain) - self.given)
        buffer[:size] = memoryview(self.plain)[self.given : self.given + size]
        self.given += size
        return size

    def close(self) -> None:
        """Close the file beneath too."""
        self.source.close()
        super().close()
