"""OpenAI batches: the outputs of a batch joined with its requests, which are in another file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sft_cli.data.readers import LocatedRecord, read_records
from sft_cli.run.errors import FieldError, UserError, shown

ID_FIELD = "custom_id"


class BatchRequests:
    """The requests of a file by their `custom_id`, all in memory. Raises UserError for a file that has others."""

    def __init__(self, path: str) -> None:
        self.path, self.joined = path, 0
        self.of: dict[str, dict[str, Any]] = {}
        for where, record in read_records(path):
            if isinstance(record, FieldError):
                raise UserError(f"{where}: {record}")
            name = record.get(ID_FIELD)
            if not isinstance(name, str) or not isinstance(record.get("body"), dict):
                raise UserError(f"{where}: expected a request with custom_id and body, got {shown(record)}")
            if name in self.of:
                raise UserError(f"{where}: {ID_FIELD}: expected each once, got {shown(name)} again")
            self.of[name] = record

    def with_requests(self, records: Iterator[LocatedRecord]) -> Iterator[LocatedRecord]:
        """Yield the records; an output of a batch gets the fields of its request."""
        for where, record in records:
            if isinstance(record, dict) and "response" in record and "body" not in record:
                name = record.get(ID_FIELD)
                request = self.of.get(name) if isinstance(name, str) else None
                if request is None:
                    yield where, FieldError(ID_FIELD, f"expected one of {self.path}, got {shown(name)}")
                    continue
                self.joined += 1
                record = {**request, **record}
            yield where, record

    def check(self) -> None:
        """Raise UserError if no record was the output of a batch."""
        if not self.joined:
            raise UserError("--requests: has an effect only on outputs of OpenAI batches, with custom_id and response")
