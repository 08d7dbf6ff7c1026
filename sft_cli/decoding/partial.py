"""The append-only file of finished completions, from which a killed run goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO, Any

from sft_cli.run.errors import UserError
from sft_cli.run.jsonl import as_line


class PartialFile:
    """`OUT.partial`: a first line with the run's fingerprint, then one line per finished completion.

    Without a path (stdout) it keeps the completions in memory alone.
    """

    def __init__(self, path: Path | None, fingerprint: str, discard: bool) -> None:
        self.path = path
        self.done: dict[tuple[int, int], dict[str, Any]] = {}
        self.sink: IO[bytes] | None = None
        if path is None:
            return
        if discard:
            path.unlink(missing_ok=True)
        if path.exists() and path.stat().st_size:
            self._read(path, fingerprint)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.sink = open(path, "ab")  # noqa: SIM115 (closed by close)
        except OSError as error:
            raise UserError(f"{path}: cannot write: {error.strerror}") from error
        if not self.sink.tell():
            self._append({"fingerprint": fingerprint})

    @property
    def resumed(self) -> int:
        """Completions that an earlier run had finished."""
        return len(self.done)

    def _read(self, path: Path, fingerprint: str) -> None:
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]  # a line cut by the kill is done again
        lines = [json.loads(line) for line in whole.splitlines()]
        if lines and lines[0].get("fingerprint") != fingerprint:
            raise UserError(f"{path}: was begun with other inputs or settings\nhint: --force starts again without it")
        for line in lines[1:]:
            self.done[line["index"], line["sample"]] = line["row"]
        if len(whole) < len(content):
            os.truncate(path, len(whole))

    def add(self, finished: list[tuple[int, int, dict[str, Any]]]) -> None:
        """Keep (row index, sample, generation row) of a batch; on disk before this returns. Known ones stay."""
        for index, sample, row in finished:
            if (index, sample) not in self.done:
                self.done[index, sample] = row
                if self.sink is not None:
                    self._append({"index": index, "sample": sample, "row": row})
        if self.sink is not None:
            self.sink.flush()
            os.fsync(self.sink.fileno())

    def _append(self, line: dict[str, Any]) -> None:
        assert self.sink is not None
        self.sink.write(as_line(line).encode("utf-8"))

    def close(self, remove: bool) -> None:
        """Close the file, and remove it once the output is complete."""
        if self.sink is not None and self.path is not None:
            self.sink.close()
            if remove:
                self.path.unlink(missing_ok=True)
