"""The append-only files of finished completions: a killed run continues from them, and processes share them."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from sft_cli.run.errors import UserError
from sft_cli.run.jsonl import as_line

ItemKey = tuple[int, int]  # a row's number, and the sample's


class PartialFile:
    """`OUT.partial`: a first line with the run's fingerprint, then one line per finished completion.

    Under torchrun each process appends to its own file, `OUT.partial.3`, and reads all of them. Without a path (stdout)
    the completions are kept only in memory. With `retries`, failed completions are dropped when they are read.
    """

    def __init__(
        self, path: Path | None, fingerprint: str, discard: bool = False, rank: int = 0, retries: bool = False
    ) -> None:
        self.path, self.fingerprint, self.retries = path, fingerprint, retries
        self.done: dict[ItemKey, dict[str, Any]] = {}
        self.sink: IO[bytes] | None = None
        self.read: dict[Path, int] = {}  # bytes read of each file
        if path is None:
            return
        self.own = path.with_name(f"{path.name}.{rank}") if rank else path
        if discard:
            self.own.unlink(missing_ok=True)
        else:
            for each in self.files():
                if not self._take(each):
                    raise UserError(
                        f"{each}: is from a run with other inputs or settings\nhint: --force deletes it and "
                        "starts again"
                    )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.sink = open(self.own, "ab")  # noqa: SIM115 (closed by close)
        except OSError as error:
            raise UserError(f"{self.own}: cannot write: {error.strerror}") from error
        whole = self.read.get(self.own, 0)
        if self.sink.tell() > whole:
            os.truncate(self.own, whole)  # a line that was cut is generated again
        if not whole:
            self._append({"fingerprint": fingerprint})

    def files(self) -> list[Path]:
        """This file, and those of the other processes."""
        if self.path is None:
            return []
        others = [each for each in self.path.parent.glob(f"{self.path.name}.*") if each.suffix[1:].isdigit()]
        return [self.path, *sorted(others)]

    def _take(self, path: Path) -> bool:
        """Read the new lines of a file; return whether they belong to this run."""
        try:
            with open(path, "rb") as source:
                begun = self.read.get(path, 0)
                if begun > os.fstat(source.fileno()).st_size:  # another process has started the file again
                    begun = 0
                source.seek(begun)
                more = source.read()
        except OSError:
            return True  # not started yet
        whole = more[: more.rfind(b"\n") + 1]  # the last line may not be complete
        lines = [json.loads(line) for line in whole.splitlines()]
        if begun == 0 and lines and lines.pop(0).get("fingerprint") != self.fingerprint:
            return False
        for line in lines:
            if not (self.retries and line["row"]["error"] is not None):
                self.done[line["index"], line["sample"]] = line["row"]
        self.read[path] = begun + len(whole)
        return True

    def keep(self, rows: Iterable[tuple[ItemKey, dict[str, Any]]]) -> None:
        """Mark the completions of another file as finished."""
        for key, row in rows:
            self.done.setdefault(key, row)

    def gather(self) -> None:
        """Read the completions that other processes have finished since the last call."""
        if self.path is not None:
            for each in self.files():
                if each != self.own:
                    self._take(each)

    def add(self, finished: list[tuple[int, int, dict[str, Any]]]) -> None:
        """Store (row index, sample, generation row) of a batch; on disk before this returns. Known rows stay."""
        new = [(index, sample, row) for index, sample, row in finished if (index, sample) not in self.done]
        self.done |= {(index, sample): row for index, sample, row in new}
        if self.sink is None:
            return
        try:
            for index, sample, row in new:
                self._append({"index": index, "sample": sample, "row": row})
            self.sink.flush()
            os.fsync(self.sink.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):  # close tries to write the same data again
                self.sink.close()
            hint = "hint: free some disk space; then run the same command again to continue"
            raise UserError(f"{self.own}: cannot write: {error.strerror}\n{hint}") from error

    def _append(self, line: dict[str, Any]) -> None:
        assert self.sink is not None
        self.sink.write(as_line(line).encode("utf-8"))

    def close(self) -> None:
        """Close the file."""
        if self.sink is not None:
            self.sink.close()
