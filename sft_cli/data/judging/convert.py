"""From generations to prompts for a judge."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sft_cli.data.identity import prompt_hash, references_hash
from sft_cli.data.jinja import TextTemplate
from sft_cli.data.judging.template import built_in_template, judge_template
from sft_cli.data.language import language_of
from sft_cli.data.rows import Row, check_messages, check_row, check_text, reference_texts, turn_text
from sft_cli.run.errors import FieldError, shown

LOWEST, HIGHEST = 1, 10
# Fields of a generation that its judgement must not have: metrics of answers would read them as the judge's.
JUDGED_FIELDS = frozenset(
    (
        *("id", "messages", "text", "weight", "references", "choices", "answer", "delimiter", "tools", "source"),
        *("completion", "sample", "finish_reason", "error", "prompt_tokens", "completion_tokens"),
        *("completion_logprob", "repetition", "prompt_tokens_dropped", "claims", "verification", "correction"),
        *("original_completion", "original_claims", "original_verification"),
        *("reference_logprobs", "choice_logprobs", "judge", "judged"),
        *("prediction", "predictions", "consistency", "samples", "text_logprobs"),
    )
)


@dataclass
class JudgeConverter:
    """Turns judge records into prompt rows, with a built-in template or a file; unknown keys pass through."""

    kind: str
    template_path: str = ""
    task: str = ""

    @cached_property
    def own_template(self) -> TextTemplate:
        """The template of --judge-template."""
        return judge_template(Path(self.template_path), self.kind)

    def row(self, record: dict[str, Any], where: str) -> Row:
        """The prompt row of a record; its field `judge` has all that is needed to read the verdict."""
        name, question, judged = record["id"], question_of(record), record["judged"]
        values: dict[str, Any] = {"question": question, "references": _references(record)}
        judge: dict[str, Any] = {"kind": self.kind}
        if self.kind == "pairwise":
            values |= dict(zip(("first", "second"), judged["answers"], strict=True))
            judge |= {"pair": name, "first": judged["first"]}
            name = f"{name}#{judged['order']}"
        else:
            scale = {"lowest": LOWEST, "highest": HIGHEST}
            values |= {"answer": judged["answers"][0], **scale}
            judge |= scale
        if self.template_path:
            template = self.own_template
        else:
            template = built_in_template(self.kind, language_of(question))
        asked = [{"role": "user", "content": template.render(values).text}]
        row: Row = {"id": name, "messages": asked, "judge": judge}
        # The hash is of the question that was answered, not of the judge's prompt.
        row |= {"prompt_hash": prompt_hash(record), "references_hash": references_hash(record)}
        row |= {key: value for key, value in record.items() if key not in JUDGED_FIELDS}
        row |= {"task": self.task} if self.task else {}
        row["source"] = where
        check_row(row)
        return row

    def finish(self, row: Row) -> Row:
        """The row itself: it is already a prompt."""
        return row


def _references(record: dict[str, Any]) -> list[str]:
    references, answer = record.get("references"), record.get("answer")
    if references is not None and not (isinstance(references, list) and all(isinstance(x, str) for x in references)):
        raise FieldError("references", f"expected a list of strings, got {shown(references)}")
    if not isinstance(answer, (str, int, float, type(None))):
        raise FieldError("answer", f"expected a string or a number, got {shown(answer)}")
    return reference_texts(record)


def question_of(record: dict[str, Any]) -> str:
    """The request that was answered: the user turn, or all turns with their roles if there are several."""
    if "text" in record:
        check_text(record["text"])
        return str(record["text"])
    messages = record.get("messages")
    if not isinstance(messages, list) or not messages:
        raise FieldError("messages", f"expected the turns of the prompt, got {shown(messages)}")
    check_messages(messages)
    if len(messages) == 1:
        return turn_text(messages[0])
    return "\n".join(f"{turn.get('role')}: {turn_text(turn)}" for turn in messages)
