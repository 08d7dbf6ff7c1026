"""The texts of a file that an option names: rows of `sft prep`, or plain text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sft_cli.metrics.row_texts import training_texts
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.jsonl import open_bytes, read_jsonl
from sft_cli.run.manifest import file_hash

COMPRESSED = ("", ".gz", ".zst")
ROW_FILES = tuple(kind + ending for kind in (".jsonl", ".ndjson") for ending in COMPRESSED)
# Read as plain text, their keys and commas would count as words.
NO_TEXTS = tuple(kind + ending for kind in (".json", ".csv", ".tsv", ".parquet", ".arrow") for ending in COMPRESSED)


def texts_of_file(path: str, option: str) -> Iterator[str]:
    """The texts of all rows of a JSONL file, or the whole of a file with another name as one text.

    Raises UserError that names the option for a file that cannot be read or is a table, for a line that is not a row,
    and for a file without text.
    """
    if path.lower().endswith(NO_TEXTS):
        hint = f"hint: sft prep {path} -o rows.jsonl"
        raise UserError(f"{option}: {path}: expected rows of sft prep (.jsonl) or plain text\n{hint}")
    if Path(path).exists() and not Path(path).is_file():  # a pipe would be empty when its content is hashed
        raise UserError(f"{option}: {path}: expected a file, got a folder or a pipe")
    has_text = False
    for text in _row_texts(path, option) if path.endswith(ROW_FILES) else [_whole(path, option)]:
        has_text = has_text or bool(text.strip())
        yield text
    if not has_text:
        raise UserError(f"{option}: {path}: expected text, got none\nhint: rows of sft prep (.jsonl), or plain text")


def _row_texts(path: str, option: str) -> Iterator[str]:
    for number, row in read_jsonl(path):
        if isinstance(row, FieldError):
            raise UserError(f"{path}:{number}: {row}\nhint: {option} reads rows of sft prep (.jsonl), or plain text")
        yield from training_texts(row)


def _whole(path: str, option: str) -> str:
    with open_bytes(path) as source:
        try:
            return source.read().decode("utf-8-sig")
        except OSError as error:
            raise UserError(f"{option}: {path}: cannot read: {error.strerror or error}") from None
        except UnicodeDecodeError:
            raise UserError(f"{option}: {path}: cannot read: not UTF-8") from None


def check_file_option(metric: str, option: str, path: str) -> None:
    """Raise UserError if the option that names a file is missing, or is stdin."""
    if path in ("", "-"):
        got = "stdin" if path else "nothing"
        raise UserError(f"{metric}: {option}: expected a file, got {got}\nhint: --metric {metric}:{option}=FILE")


def file_digest(path: str) -> str:
    """Eight hexadecimal digits that identify the content of a file. Raises UserError if it cannot be read."""
    try:
        return file_hash(Path(path))[:8]
    except OSError as error:
        raise UserError(f"{path}: cannot read: {error.strerror}") from None
