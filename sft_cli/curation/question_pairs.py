"""Questions with answers that a model wrote about documents: read from its completions, and checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sft_cli.curation.answerable import pair_problem
from sft_cli.data.formats.generations import GENERATED, PROVENANCE, matches
from sft_cli.data.readers import LocatedRecord
from sft_cli.data.row_rules import LeavesOut
from sft_cli.data.rows import key_names
from sft_cli.metrics.answers import without_thoughts
from sft_cli.metrics.json_text import parted_json
from sft_cli.metrics.tokenizers import mixed
from sft_cli.run.errors import FieldError
from sft_cli.run.manifest import file_hash, manifest_path, read_manifest
from sft_cli.run.passages import context_of
from sft_cli.run.seed import stable_hash

READ_RULE = "--read-questions"
QUESTION_KEYS, ANSWER_KEYS = ("question", "问题"), ("answer", "答案")
# Fields of a generation that its rows do not have; the id of the document becomes the source of each row.
OF_PROMPT = frozenset({"messages", "completion", "context", "id", "template", "source", "references", *GENERATED})
BROKEN_PAIR = re.compile(r"[\"'](?:question|问题)[\"']\s*:", re.IGNORECASE)


@dataclass
class QuestionReader:
    """Makes a record of each question in the completions of --ask-questions, and leaves out the bad ones.

    seen: for each question the place where it was first read, both as hashes: in a second reading of the same files it
    is new again.
    """

    warn: Callable[[str], None] = lambda text: None
    seen: dict[int, int] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)  # by the file of the generations

    def records(self, generations: Iterator[LocatedRecord], leave_out: LeavesOut) -> Iterator[LocatedRecord]:
        """The records with question and answer; a line that is not a completion of --ask-questions is an error."""
        for where, record in generations:
            try:
                if isinstance(record, FieldError):
                    raise record
                yield from self._of_generation(where, record, leave_out)
            except FieldError as error:
                yield where, error

    def _of_generation(self, where: str, record: dict[str, Any], leave_out: LeavesOut) -> Iterator[LocatedRecord]:
        if not matches(record):
            problem = f"expected a completion of sft generate, got the fields {key_names(record)}"
            raise FieldError("completion", problem)
        document = context_of(record, "context")
        if not document:
            cure = "sft prep --ask-questions writes prompts with this field"
            raise FieldError("context", "expected the text of the document, got nothing", cure)
        text = None if record.get("finish_reason") == "error" else without_thoughts(str(record["completion"] or ""))
        if text is None:
            leave_out(where, READ_RULE, "no completion")
            return
        pairs, broken = question_pairs(text)
        for _ in range(broken):
            leave_out(where, READ_RULE, "broken question")
        if not pairs and not broken:
            leave_out(where, READ_RULE, "completion without questions")
        for number, (question, answer) in enumerate(pairs, 1):
            place = f"{where}#{number}"
            problem = pair_problem(question, answer, document)
            if not problem and self._is_repeat(question, place):
                problem = "question that another row has"
            if problem:
                leave_out(place, READ_RULE, problem)
            else:
                yield place, self._record(question, answer, record, where)

    def _is_repeat(self, question: str, place: str) -> bool:
        here = stable_hash("place", place)
        return self.seen.setdefault(stable_hash("question", mixed(question)), here) != here

    def _record(self, question: str, answer: str, record: dict[str, Any], where: str) -> dict[str, Any]:
        path = where.rpartition(":")[0]
        if path not in self.models:
            self.models[path] = model_of(path)
            if not self.models[path]:
                self.warn(f"{path}: the manifest of sft generate is not there; the rows do not name the model")
        made = {"model": self.models[path]} if self.models[path] else {}
        made |= {name: record[name] for name in PROVENANCE if name in record}
        others = {name: value for name, value in record.items() if name not in OF_PROMPT}
        return {
            "question": question,
            "answer": answer,
            **others,
            "source": str(record.get("id") or where),
            "generated": made,
        }


def question_pairs(text: str) -> tuple[list[tuple[str, str]], int]:
    """The questions and answers in the JSON of a completion, in order; and the number of those that cannot be read."""
    prose, values = parted_json(text)
    pairs: list[tuple[str, str]] = []
    broken = len(BROKEN_PAIR.findall(prose))
    left = values[::-1]
    while left:
        value = left.pop()
        if isinstance(value, list):
            left += value[::-1]
        elif isinstance(value, dict):
            question, answer = _value_named(value, QUESTION_KEYS), _value_named(value, ANSWER_KEYS)
            if question is None and answer is None:
                left += [*value.values()][::-1]
            elif isinstance(question, str) and isinstance(answer, (str, int, float)):
                pairs.append((question.strip(), str(answer).strip()))
            else:
                broken += 1
    return pairs, broken


def _value_named(record: dict[str, Any], names: tuple[str, ...]) -> Any:
    lower = {str(name).casefold(): value for name, value in record.items()}
    return next((lower[name] for name in names if lower.get(name) is not None), None)


def model_of(path: str) -> str:
    """The model in the manifest beside a file of generations; empty if there is no manifest of these bytes."""
    recorded = read_manifest(manifest_path(path)) if Path(path).is_file() else {}
    outputs = [each for each in recorded.get("outputs", []) if isinstance(each, dict)]
    digests = {str(each.get("path")): each.get("sha256") for each in outputs}
    if recorded.get("command") != "generate" or digests.get(Path(path).name) != file_hash(Path(path)):
        return ""
    return str(recorded.get("config", {}).get("model") or "")
