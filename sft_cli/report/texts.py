"""The texts behind score files: score files have numbers only, the generations that they were made from have the texts.

A file of generations is read once, in order, and only the asked rows are kept.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sft_cli.data.identity import prompt_hash
from sft_cli.data.judging.convert import question_of
from sft_cli.report.score_files import PairKey, ScoreFile
from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.run.jsonl import read_jsonl
from sft_cli.run.manifest import file_hash, manifest_path, read_manifest
from sft_cli.run.text import counted

MANIFEST = "manifest"


@dataclass(frozen=True)
class RowTexts:
    """The texts of one row of one file. completion: None if generation failed. confidence: from 0 to 1, or None.

    unsupported: the claims that sft verify did not find supported; None if the row was not verified.
    """

    question: str
    references: list[str] = field(default_factory=list)
    completion: str | None = None
    finish_reason: str | None = None
    task: str | None = None
    confidence: float | None = None
    unsupported: int | None = None

    @property
    def is_cut(self) -> bool:
        """Whether the completion ended at the limit of its tokens."""
        return self.finish_reason == "length"


@dataclass(frozen=True)
class TextFile:
    """A file of generations, and the score file whose texts it has. origin: how it was found, for the message."""

    path: str
    scores: ScoreFile
    origin: str

    def read(self, wanted: Container[int], has_all: bool = False) -> Iterator[tuple[int, RowTexts]]:
        """Yield (number of the row in the score file, its texts), in the order of the generations.

        The rows are those of `wanted`, with `has_all` all that the score file has. Raises UserError for a row that is
        not a generation, that occurs twice, or that has another prompt than the row of the score file. If the manifest
        says that the scores were made from this file, prompts are checked only in the rows of `wanted`.
        """
        seen = bytearray(len(self.scores.rows))
        for number, row in read_jsonl(self.path):
            try:
                if isinstance(row, FieldError):
                    raise row
                place = self.scores.rows.get(_pair_key(row))
                if place is None:
                    continue
                if seen[place]:
                    raise FieldError("id", f"expected each id and sample once, got {shown(row['id'])} again")
                seen[place] = 1
                if place in wanted or self.origin != MANIFEST:
                    self._check_prompt(row, place)
                if place in wanted or has_all:
                    yield place, texts_of(row)
            except FieldError as error:
                raise UserError(f"{self.path}:{number}: {error}\n{self._hint}") from None
        missing = seen.find(0)
        if missing >= 0:
            key = next(key for key, place in self.scores.rows.items() if place == missing)
            raise UserError(
                f"{self.path}: expected a row with the id {shown(key[0])} and sample {key[1]}, "
                f"as in {self.scores.where(missing)}, got none\n{self._hint}"
            )

    def _check_prompt(self, row: dict[str, Any], place: int) -> None:
        known = self.scores.hashes["prompt_hash"][place]
        own = prompt_hash(row) if known else None
        if own is not None and int(own, 16) != known:
            raise FieldError("prompt_hash", f"expected {known:016x} as in {self.scores.where(place)}, got {own}")

    @property
    def _hint(self) -> str:
        return f"hint: --texts names the file that sft score read for {self.scores.path}"


def _pair_key(row: dict[str, Any]) -> PairKey:
    row_id, sample = row.get("id"), row.get("sample", 0)
    if not isinstance(row_id, (str, int)) or isinstance(row_id, bool):
        raise FieldError("id", f"expected text, got {shown(row_id)}")
    if not isinstance(sample, int):
        raise FieldError("sample", f"expected a number, got {shown(sample)}")
    return row_id, sample


def texts_of(row: dict[str, Any]) -> RowTexts:
    """The texts of a generation; raises FieldError for a field of another type."""
    completion = row.get("completion", row.get("prediction"))
    reason, task = row.get("finish_reason"), row.get("task")
    if completion is not None and not isinstance(completion, str):
        raise FieldError("completion", f"expected text, got {shown(completion)}")
    references = row.get("references") or ([] if row.get("answer") is None else [str(row["answer"])])
    if not isinstance(references, list) or not all(isinstance(each, str) for each in references):
        raise FieldError("references", f"expected a list of strings, got {shown(references)}")
    return RowTexts(
        question=asked_text(row),
        references=references,
        completion=None if reason == "error" else completion,
        finish_reason=reason if isinstance(reason, str) else None,
        task=task if isinstance(task, str) else None,
        confidence=_confidence(row),
        unsupported=_unsupported_of(row),
    )


def asked_text(row: dict[str, Any]) -> str:
    """The prompt without system turns; empty for a row without one."""
    messages = row.get("messages")
    if isinstance(messages, list):
        asked = [turn for turn in messages if not (isinstance(turn, dict) and turn.get("role") == "system")]
        return question_of({"messages": asked or messages})
    return question_of(row) if "text" in row else ""


def _confidence(row: dict[str, Any]) -> float | None:
    """The field `confidence`; else the probability of a token of the completion, as a geometric mean; else None."""
    import math

    stated, logprob = row.get("confidence"), row.get("completion_logprob")
    if isinstance(stated, (int, float)) and not isinstance(stated, bool) and 0 <= stated <= 1:
        return float(stated)
    if isinstance(logprob, dict) and logprob.get("tokens") and isinstance(logprob.get("sum"), (int, float)):
        return math.exp(min(logprob["sum"] / logprob["tokens"], 0.0))
    return None


def _unsupported_of(row: dict[str, Any]) -> int | None:
    facts = row.get("verification")
    claims, supported = (facts.get(name) if isinstance(facts, dict) else None for name in ("claims", "supported"))
    return claims - supported if isinstance(claims, int) and isinstance(supported, int) else None


def text_files(files: list[ScoreFile], named: list[str]) -> list[TextFile]:
    """The generations of each score file: those of --texts, else those that the manifest of the score file names.

    Raises UserError if a manifest names none, if its file is missing, or if the file has changed since.
    """
    if named:
        return [TextFile(path, file, "--texts") for path, file in zip(named, files, strict=True)]
    return [_by_manifest(file) for file in files]


def _by_manifest(scores: ScoreFile) -> TextFile:
    cure = "hint: --texts FILE, once for each score file, names the generations"
    if scores.path == "-":
        raise UserError(f"<stdin>: texts: expected generations, got scores without a manifest\n{cure}")
    beside = manifest_path(scores.path)
    recorded = read_manifest(beside)
    inputs = [each for each in recorded.get("inputs", []) if isinstance(each, dict) and each.get("sha256")]
    read = recorded.get("config", {}).get("generations")
    entry = next((each for each in inputs if each.get("path") == read), None)
    if recorded.get("command") != "score" or entry is None:
        raise UserError(f"{scores.path}: texts: expected {beside} to name the generations, got none\n{cure}")
    # The path of a manifest starts in the folder where sft score ran. The file can also be beside the scores.
    places = [Path(entry["path"]), beside.parent / Path(entry["path"]).name]
    there = [place for place in dict.fromkeys(places) if place.is_file()]
    for place in there:
        if file_hash(place) == entry["sha256"]:
            return TextFile(str(place), scores, MANIFEST)
    if there:
        raise UserError(
            f"{there[0]}: expected the file that {scores.path} was made from (sha256 {entry['sha256'][:16]}), "
            f"got another content\nhint: run sft score again, or name the file with --texts"
        )
    raise UserError(f"{entry['path']}: texts: expected the generations of {scores.path}, got no such file\n{cure}")


def origin_line(sources: list[TextFile]) -> str:
    """Where the texts come from, in one line."""
    paths = ", ".join(dict.fromkeys(source.path for source in sources))
    if sources[0].origin == MANIFEST:
        return f"texts: {paths} (named by the manifests of the score files; sha256 is equal)"
    return f"texts: {paths} ({counted(len(sources), 'file')} of --texts)"
