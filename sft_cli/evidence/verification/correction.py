"""`--policy correct`: the model answers again, with the evidence and the claims that failed, and is verified again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sft_cli.data.jinja import TextTemplate
from sft_cli.data.language import language_of
from sft_cli.data.rows import Row
from sft_cli.data.verifier.stances import SUPPORTED
from sft_cli.evidence.verification.answer import AnswerVerifier
from sft_cli.evidence.verification.policy import OF_COMPLETION
from sft_cli.evidence.verification.settings import VerifySettings
from sft_cli.run.context import Run
from sft_cli.run.errors import FieldError
from sft_cli.run.passages import passages_of

if TYPE_CHECKING:
    from sft_cli.decoding.engines.transformers import TransformersEngine
    from sft_cli.decoding.settings import GenerateSettings

MOST_PASSAGES = 5
OF_FIRST = ("completion", "claims", "verification")


@cache
def _correction_template(language: str) -> TextTemplate:
    return TextTemplate(Path(__file__).parent / f"correct.{language}.j2", "--policy")


class Corrector:
    """Asks the model of --correct-with again about answers that failed."""

    def __init__(self, settings: VerifySettings, run: Run, verifier: AnswerVerifier) -> None:
        self.settings, self.run, self.verifier = settings, run, verifier
        self.least = settings.least_supported

    def needs(self, row: Row) -> bool:
        """Whether less than the asked share of the claims of a verified row is supported."""
        share = row["verification"]["supported_share"]
        return share is not None and share < self.least

    def correct(self, rows: Sequence[Row]) -> list[Row]:
        """The rows; those that failed have `correction`, and the second answer if more of its claims are supported.

        A second answer that says it does not know is taken too. The first answer, its claims and its verification stay
        in `original_completion`, `original_claims` and `original_verification`.
        """
        failed = [place for place, row in enumerate(rows) if self.needs(row)]
        result = list(rows)
        for place, answer in zip(failed, self._answers([rows[place] for place in failed]), strict=True):
            result[place] = self._with_second(rows[place], answer)
        return result

    def _with_second(self, row: Row, answer: dict[str, Any]) -> Row:
        if answer["error"] is not None:
            return {**row, "correction": {"error": answer["error"], "taken": False}}
        others = {name: value for name, value in row.items() if name not in (*OF_COMPLETION, *OF_FIRST)}
        second = self.verifier.verify({**others, "completion": answer["completion"].strip()})
        share = second["verification"]["supported_share"]
        has_more = share is not None and share > row["verification"]["supported_share"]
        is_better = has_more or second["verification"]["abstained"]
        about = {"completion": second["completion"], "taken": is_better}
        if not is_better:
            return {**row, "correction": {**about, "verification": second["verification"]}}
        return {**second, **{f"original_{name}": row[name] for name in OF_FIRST}, "correction": about}

    def _answers(self, rows: list[Row]) -> Iterator[dict[str, Any]]:
        from sft_cli.decoding.generation import Generation

        if rows:
            asked = [self._question(row) for row in rows]
            yield from Generation(self.engine, asked, self.generating, what="corrections").complete()

    def _question(self, row: Row) -> Row:
        """The conversation so far, and a turn with the passages and the claims that failed."""
        failed = [claim["text"] for claim in row["claims"] if claim["verdict"] != SUPPORTED]
        context = "\n".join(f"[{place}] {text}" for place, text in enumerate(self._passages(row, failed), 1))
        text = _correction_template(language_of(row["completion"])).render({"context": context, "claims": failed}).text
        answered = {"role": "assistant", "content": row["completion"]}
        return {"id": str(row.get("id")), "messages": [*row["messages"], answered, {"role": "user", "content": text}]}

    def _passages(self, row: Row, failed: list[str]) -> list[str]:
        """The texts of the passages of a row, and of those that are found for its failed claims."""
        passages = list(passages_of(row, "context"))
        for claim in failed if self.verifier.find else []:
            passages += self.verifier.find(claim) if self.verifier.find else []
        return list(dict.fromkeys(passage["text"] for passage in passages))[:MOST_PASSAGES]

    @cached_property
    def generating(self) -> GenerateSettings:
        """Greedy decoding with the devices of this command."""
        from sft_cli.decoding.settings import GenerateSettings

        shared = {name: getattr(self.settings, name) for name in ("dtype", "device", "threads")}
        return GenerateSettings(model=str(self.settings.correct_with), generation_config="none", quiet=True, **shared)

    @cached_property
    def engine(self) -> TransformersEngine:
        """The model, loaded at the first answer that failed."""
        from sft_cli.decoding.engines.transformers import TransformersEngine
        from sft_cli.model.device import dtype_note

        engine = TransformersEngine.open(self.generating)
        if note := dtype_note(self.settings.dtype, engine.described["dtype"]):
            self.run.warn(note)
        return engine


def check_can_be_asked(row: Row) -> None:
    """Raise FieldError for a row that is no chat: it has no turn to which a second question could be added."""
    if not isinstance(row.get("messages"), list):
        raise FieldError("messages", "expected a chat, in which --policy correct can ask again, got none")
