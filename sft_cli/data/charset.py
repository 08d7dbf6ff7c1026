"""Text in other encodings, as a stream of UTF-8. A byte order mark or the user names the encoding."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable
from typing import IO, Any, cast

from sft_cli.run.errors import UserError

# UTF-32 first: its mark begins with the mark of UTF-16.
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
BYTES_DECODED = 1 << 16


def check_encoding(name: str) -> None:
    """Raise UserError if there is no text encoding of this name."""
    try:
        "".encode(name)
    except LookupError:
        examples = "latin-1, cp1252, utf-16-le, gb18030, big5, shift_jis, euc-kr"
        raise UserError(f"--encoding: unknown encoding {name!r}\nhint: names as in Python: {examples}") from None


def as_utf8(source: IO[bytes], path: str, encoding: str, say: Callable[[str], None]) -> IO[bytes]:
    """The bytes of a text file as UTF-8: by `encoding`, or by a mark of UTF-16 or UTF-32, or without change.

    `say` reports the encoding of a mark. Raises UserError for UTF-16 without a mark.
    """
    head = cast(Any, source).peek(4)[:4]
    name = encoding
    if not name and (name := next((name for mark, name in BYTE_ORDER_MARKS.items() if head.startswith(mark)), "")):
        say(f"{path}: read as {name.upper()}, because of its byte order mark")
    if not name and len(head) > 1 and (head[0] == 0) != (head[1] == 0):
        name = "utf-16-be" if head[0] == 0 else "utf-16-le"
        raise UserError(
            f"{path}: expected UTF-8; this is probably {name.upper()}\nhint: sft prep --encoding {name} reads it"
        )
    if not name or codecs.lookup(name).name == "utf-8":
        return source
    return cast(IO[bytes], io.BufferedReader(Transcoder(source, name), buffer_size=BYTES_DECODED))


class Transcoder(io.RawIOBase):
    """A stream of UTF-8 from a stream in another encoding, in constant memory."""

    def __init__(self, source: IO[bytes], encoding: str) -> None:
        self.source = source
        self.decoder = codecs.getincrementaldecoder(encoding)()
        self.ready = b""
        self.is_at_end = False

    def readable(self) -> bool:
        """Whether it can be read, for BufferedReader."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer; return 0 at the end. Raises UnicodeDecodeError for bytes that the encoding does not have."""
        while not self.ready and not self.is_at_end:
            data = cast(Any, self.source).read1(BYTES_DECODED)
            self.is_at_end = not data
            self.ready = self.decoder.decode(data, self.is_at_end).encode("utf-8", "surrogatepass")
        count = min(len(buffer), len(self.ready))
        buffer[:count], self.ready = self.ready[:count], self.ready[count:]
        return count
