"""From records with evidence, a claim and a label to rows that train or test a verifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from sft_cli.data.convert import given_id
from sft_cli.data.field_paths import rename
from sft_cli.data.identity import Ids
from sft_cli.data.ids import SeenIds
from sft_cli.data.jinja import TextTemplate
from sft_cli.data.language import language_of
from sft_cli.data.rows import Row, as_prompt, check_row, key_names
from sft_cli.data.verifier.stances import STANCES, stance_of
from sft_cli.run.errors import FieldError, shown

# The fields of the records, and their names in NLI and claim sets; the first one that a record has is read.
EVIDENCE = ("evidence", "premise", "context", "passage", "document", "sentence1")
CLAIM = ("claim", "hypothesis", "statement", "summary", "sentence2")
LABEL = ("label", "stance", "verdict", "gold_label")
VERIFIER_FIELDS = (*EVIDENCE, *CLAIM, *LABEL)


@cache
def _question_template(language: str) -> TextTemplate:
    return TextTemplate(Path(__file__).parent / f"verifier.{language}.j2", "--verifier")


def verifier_row(evidence: str, claim: str) -> Row:
    """The prompt of a verifier, in the language of the claim, and its choices."""
    text = _question_template(language_of(claim)).render({"evidence": evidence, "claim": claim}).text
    return {"messages": [{"role": "user", "content": text}], "choices": list(STANCES)}


@dataclass
class VerifierConverter:
    """Turns labelled pairs of evidence and claim into rows with choices; other fields of the records are kept.

    labels: the stances of labels with other names. mapping: old names of fields, and their new ones. `makes` is the
    purpose of the rows, as of `Converter`.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    mapping: dict[str, list[str]] = field(default_factory=dict)
    task: str = ""
    makes: str = ""
    ids: Ids = field(default_factory=Ids)
    given: SeenIds = field(default_factory=SeenIds)

    def row(self, record: dict[str, Any], where: str) -> Row:
        """The row of a record; raises FieldError for its first bad field."""
        record = rename(record, self.mapping) if self.mapping else record
        evidence_field, claim_field = _field_of(record, EVIDENCE), _field_of(record, CLAIM)
        evidence, claim = _evidence_text(record, evidence_field), _text(record, claim_field)
        row = verifier_row(evidence, claim)
        label = next((name for name in LABEL if name in record), None)
        if label is not None or self.makes != "prompts":
            stance = self._stance(record, label)
            row["messages"] = [*row["messages"], {"role": "assistant", "content": stance}]
            row |= {"answer": stance, "answer_index": STANCES.index(stance)}
        row |= {"task": self.task or "verifier", "evidence": evidence, "claim": claim}
        taken = {evidence_field, claim_field, label, "id", *row}
        row |= {name: value for name, value in record.items() if name not in taken}
        row.setdefault("source", where)
        check_row(row)
        given = given_id(record)
        if given and not self.given.add(given):
            self.given.tell_repeat(f"{where}: id {shown(given)}")
        return {"id": given or self.ids.of(row), **row}

    def finish(self, row: Row) -> Row:
        """The row to write; for evaluation and as a prompt, without the assistant turn."""
        return as_prompt(row) if self.makes else row

    def _stance(self, record: dict[str, Any], name: str | None) -> str:
        """The stance that the label names; raises FieldError for another label, and for a hidden one."""
        label = record.get(name) if name is not None else None
        text = "" if label is None or isinstance(label, (dict, list, float)) else str(label).strip()
        stance = self.labels.get(text) or stance_of(text)
        if stance is None:
            got = "nothing" if name is None else shown(label)
            problem = f"expected supported, contradicted, not stated or a synonym such as entailment, got {got}"
            hint = f"--label supported={text} (or contradicted, not stated) names it" if text else ""
            raise FieldError(name or LABEL[0], problem, hint)
        return stance


def _field_of(record: dict[str, Any], names: tuple[str, ...]) -> str:
    """The first of the names that is a field of the record."""
    name = next((name for name in names if name in record), None)
    if name is None:
        problem = f"expected text, got nothing; the fields are {key_names(record)}"
        raise FieldError(names[0], problem, f"--map {names[0]}=NAME names the field")
    return name


def _evidence_text(record: dict[str, Any], name: str) -> str:
    """The evidence: text, or a list of texts or of passages with `text`, each on its lines."""
    value = record[name]
    if isinstance(value, list) and value:
        parts = [part.get("text") if isinstance(part, dict) else part for part in value]
        if all(isinstance(part, str) and part.strip() for part in parts):
            return "\n".join(map(str, parts))
    return _text(record, name)


def _text(record: dict[str, Any], name: str) -> str:
    value = record[name]
    if not isinstance(value, str) or not value.strip():
        raise FieldError(name, f"expected text, got {shown(value)}")
    return value.strip()
