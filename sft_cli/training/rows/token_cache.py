"""Encoded rows of large files, kept in the cache folder for the next run with the same files, tokenizer and options."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import sft_cli
from sft_cli.encoding.encoder import Encoder
from sft_cli.model.gguf import cache_folder
from sft_cli.run.errors import UserError
from sft_cli.run.ledger import Ledger
from sft_cli.run.manifest import file_hash, versions
from sft_cli.training.rows.corpus import Corpus
from sft_cli.training.rows.storage import FACTS, RowWriter, map_arrays, read_facts

SMALL = 4 << 20  # bytes; smaller inputs are encoded again, which takes less than a second
KEPT_DAYS = 30  # after the last use
UNFINISHED_DAYS = 1  # after the last write, for files of a killed process


class TokenCache:
    """The place of the rows of some files in the cache; `key` is empty if they are not to be kept (`is_on` is false).

    Rows from stdin are not kept, nor are rows of which some were rejected: their errors are to be said again.
    """

    def __init__(self, paths: Sequence[str], encoder: Encoder, options: dict[str, Any], is_on: bool = True) -> None:
        files = [Path(path) for path in paths]
        is_kept = is_on and "-" not in paths and all(path.is_file() for path in files)
        is_kept = is_kept and sum(path.stat().st_size for path in files) >= SMALL
        self.files = files
        self.seen = self._stamps() if is_kept else []
        self.key = self._key(encoder, options) if is_kept else ""
        self.folder = cache_folder() / "tokens" / self.key

    def _key(self, encoder: Encoder, options: dict[str, Any]) -> str:
        """A hash of all inputs of encoding: files and their names, tokenizer, template, options, code."""
        tokenizer = encoder.tokenizer
        parts = {
            "files": [[path.name, file_hash(path)] for path in self.files],  # rows without an id get it from the name
            "tokenizer": hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest(),
            "names": {name: str(token) for name, token in tokenizer.special_tokens_map.items()},
            "template": tokenizer.chat_template,
            "stop_ids": encoder.stop_ids,
            "options": options,
            "code": code_hash(),
            "versions": versions(),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]

    def find(self, ledger: Ledger) -> Corpus | None:
        """The rows, if they are in the cache; the ledger then gets the counts from their encoding."""
        facts = read_facts(self.folder) if self.key else None
        if facts is None:
            return None
        try:
            corpus = Corpus.of(map_arrays(self.folder), facts["task_names"], facts["highest_id"])
            os.utime(self.folder / FACTS)
        except OSError:  # another process has removed them
            return None
        for what, rows in facts["counts"].items():
            ledger.count(what, rows)
        corpus.system_texts = facts["system_texts"]
        corpus.warnings = facts["warnings"]
        corpus.note = f"read from the token cache ({self.folder})"
        return corpus

    def writer(self) -> RowWriter:
        """The writer of the rows; it writes beside the place to which `keep` moves them."""
        if not self.key:
            return RowWriter()
        partial = self.folder.with_name(f".{self.key}.{os.getpid()}.tmp")
        try:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
        except OSError as error:
            raise UserError(
                f"{self.folder.parent}: cannot write the token cache: {error.strerror}\n"
                "hint: --no-token-cache uses no cache; SFT_CACHE sets another folder"
            ) from error
        return RowWriter(partial)

    def keep(self, writer: RowWriter, corpus: Corpus, counts: dict[str, int]) -> None:
        """Move the rows of a writer, which made this corpus, into the cache; the first of two processes wins."""
        if self._stamps() != self.seen:  # a file has changed during the reading
            return
        facts = {"rows": len(corpus), "counts": counts, "task_names": corpus.task_names}
        facts |= {"system_texts": corpus.system_texts, "warnings": corpus.warnings}
        partial = writer.save({**facts, "highest_id": corpus.highest_id})
        if self.folder.exists() and read_facts(self.folder) is None:
            shutil.rmtree(self.folder, ignore_errors=True)
        try:
            os.rename(partial, self.folder)
        except OSError:  # it exists: another process made the same
            shutil.rmtree(partial, ignore_errors=True)
        _forget_old(self.folder.parent)

    def _stamps(self) -> list[tuple[int, int]]:
        return [(stat.st_size, stat.st_mtime_ns) for stat in (path.stat() for path in self.files)]


@cache
def code_hash() -> str:
    """A hash of the source of sft: rows encoded by another version are encoded again."""
    digest = hashlib.sha256()
    root = Path(sft_cli.__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _forget_old(folder: Path) -> None:
    """Remove entries that were not used for a month, and files of killed processes."""
    for entry in folder.iterdir():
        try:
            is_whole = (entry / FACTS).exists() and not entry.name.startswith(".")
            files = [entry / FACTS] if is_whole else [entry, *entry.iterdir()]
            stamp = max(path.stat().st_mtime for path in files)
        except OSError:
            continue
        if stamp < time.time() - (KEPT_DAYS if is_whole else UNFINISHED_DAYS) * 86400:
            shutil.rmtree(entry, ignore_errors=True)
