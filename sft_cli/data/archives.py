"""Tar archives of JSON files, as WebDataset writes them: the members of one key are one record."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import IO, Any

from sft_cli.data.json_stream import split_json
from sft_cli.run import jsonl
from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.run.jsonl import lines_of, loads, read_objects

LINE_ENDINGS = ("jsonl", "ndjson")
TEXT_ENDINGS = ("txt", "text", "cls", "md")
MEDIA_ENDINGS = {
    **dict.fromkeys(("jpg", "jpeg", "png", "webp", "gif", "bmp", "ppm"), "image"),
    **dict.fromkeys(("wav", "mp3", "flac", "ogg", "m4a"), "audio"),
    **dict.fromkeys(("mp4", "webm", "avi", "mov"), "video"),
}


class Members:
    """The records of an archive, read from its beginning to its end; one record is in memory."""

    def __init__(self, path: str, say: Callable[[str], None]) -> None:
        self.path, self.say = path, say
        self.key, self.record, self.error = "", dict[str, Any](), FieldError("", "")
        self.said: set[str] = set()

    def located(self, archive: tarfile.TarFile) -> Iterator[tuple[str, dict[str, Any] | FieldError]]:
        """Yield (place in the archive, record or error)."""
        for member in archive:
            name = member.name.removeprefix("./")
            if not member.isfile() or PurePosixPath(name).name.startswith("."):
                continue
            key, ending = key_and_ending(name)
            source = archive.extractfile(member)
            assert source is not None  # a regular file has bytes
            if key != self.key:
                yield from self.finished()
                self.key = key
            kind = ending.rpartition(".")[2]
            if kind in LINE_ENDINGS:
                for line, value in read_objects(lines_of(source, f"{self.path}:{name}")):
                    yield f"{name}:{line}", value
            elif kind == "json":
                yield from self.add_json(source, name, ending)
            else:
                self.add(source, name, ending, member.size)
        yield from self.finished()

    def finished(self) -> Iterator[tuple[str, dict[str, Any] | FieldError]]:
        """Yield the record of the members so far, if they have one, and forget them."""
        if self.error.problem:
            yield self.key, self.error
        elif self.record:
            yield self.key, self.record
        self.record, self.error = {}, FieldError("", "")

    def add_json(self, source: IO[bytes], name: str, ending: str) -> Iterator[tuple[str, dict[str, Any] | FieldError]]:
        """Add the fields of `KEY.json`, or the value of `KEY.FIELD.json`; yield the records of an array."""
        data = source.read(jsonl.most_line_bytes + 1)
        if ending == "json" and data.lstrip().startswith(b"["):
            chained: Any = _Chained(data, source)
            for line, value in split_json(chained, f"{self.path}:{name}"):
                is_usable = isinstance(value, (dict, FieldError))
                place = f"{name}:{line}"
                yield place, value if is_usable else FieldError("", f"expected a JSON object, got {shown(value)}")
            return
        if len(data) > jsonl.most_line_bytes:
            self.error = FieldError("", jsonl.too_long())
            return
        try:
            value = loads(data.decode("utf-8-sig"))
        except ValueError as error:
            self.error = FieldError("", f"{name}: expected JSON, got {error}")
            return
        if ending != "json":
            self.put(ending.rpartition(".")[0], value)
        elif isinstance(value, dict):
            for field, each in value.items():
                self.put(field, each)
        else:
            self.error = FieldError("", f"expected a JSON object, got {shown(value)}")

    def add(self, source: IO[bytes], name: str, ending: str, size: int) -> None:
        """Add a member that is not JSON: its text, or the name of an image; other members are reported."""
        kind = ending.rpartition(".")[2]
        if kind in MEDIA_ENDINGS:
            self.put(MEDIA_ENDINGS[kind], name)
        elif kind in TEXT_ENDINGS:
            if size > jsonl.most_line_bytes:
                self.error = FieldError("", jsonl.too_long())
                return
            field = "text" if ending in ("txt", "md") else ending.removesuffix(".txt")
            try:
                self.put(field, source.read().decode("utf-8-sig"))
            except UnicodeDecodeError as error:
                self.error = FieldError(field, f"expected text in UTF-8, got {error.reason}")
        elif ending not in self.said:
            self.said.add(ending)
            which = f"members .{ending}" if ending else "members without an ending"
            self.say(f"{self.path}: {which} are left out: expected JSON or text")

    def put(self, field: str, value: Any) -> None:
        """Set a field; two members must not have the same one."""
        if field in self.record:
            self.error = FieldError(field, f"expected a field once, got it from two members of {self.key}")
        self.record[field] = value


class _Chained:
    """Bytes that were read already, and then the rest of their source."""

    def __init__(self, data: bytes, source: IO[bytes]) -> None:
        self.data, self.source = data, source

    def read(self, size: int) -> bytes:
        """Return at most this many bytes."""
        if self.data:
            part, self.data = self.data[:size], self.data[size:]
            return part
        return self.source.read(size)


def read_tar(
    source: IO[bytes], path: str, say: Callable[[str], None]
) -> Iterator[tuple[str, dict[str, Any] | FieldError]]:
    """Yield (place in the archive, record or error) of a tar archive; raises UserError if it is damaged."""
    try:
        with tarfile.open(fileobj=source, mode="r|") as archive:
            yield from Members(path, say).located(archive)
    except tarfile.TarError as error:
        raise UserError(f"{path}: not a tar archive: {error}") from error


def key_and_ending(name: str) -> tuple[str, str]:
    """The key of a member, and its ending in small letters: its name is cut at the first point, as WebDataset does."""
    folder, slash, base = name.rpartition("/")
    key, _, ending = base.partition(".")
    return folder + slash + key, ending.lower()
