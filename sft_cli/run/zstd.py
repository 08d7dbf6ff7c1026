"""Zstandard streams that report a cut file: the reader of zstandard returns the part that exists, and no error."""

from __future__ import annotations

import io
from typing import IO, Any

READ_BYTES = 1 << 10  # four bytes can decompress to 128 KiB of zeros: a larger block could fill the memory


class ZstdReader(io.RawIOBase):
    """The bytes of one or more frames; raises EOFError if the last frame is cut, OSError if a frame is damaged."""

    def __init__(self, source: IO[bytes]) -> None:
        import zstandard

        self.source = source
        self.decompressor, self.error = zstandard.ZstdDecompressor(), zstandard.ZstdError
        self.frame: Any = None
        self.packed = self.plain = b""
        self.given = 0

    def readable(self) -> bool:
        """Return True: the stream can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with one block; return the number of bytes, 0 at the end."""
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
        """Also close the compressed file."""
        self.source.close()
        super().close()
