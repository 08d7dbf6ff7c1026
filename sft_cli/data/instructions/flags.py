"""The flags of `sft prep` that make instructions from tables, passages from documents, and questions from passages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from sft_cli.data.chunking.flags import CHUNK_TOKENS, OVERLAP_TOKENS
from sft_cli.data.instructions import TABLE_TEMPLATES
from sft_cli.run.errors import UserError
from sft_cli.run.flags import Flag


@dataclass(frozen=True, kw_only=True)
class InstructionSettings:
    """The flags that make instructions of tables, passages of documents, and questions about them."""

    group: ClassVar[str] = "Tables and documents"

    template: Annotated[
        list[str],
        Flag(
            "write the question of each record by a Jinja template; repeatable, each record gets one: FILE.j2, "
            + ", ".join(TABLE_TEMPLATES),
            reads=True,
            suffix=".j2",
            metavar="NAME",
            starts="sft_cli.data.instructions:TABLE_TEMPLATES",
            is_usual=True,
        ),
    ] = field(default_factory=list)
    answer: Annotated[
        list[str],
        Flag(
            "with --template: field of the answer; repeatable: several fields become a JSON object "
            "[default: answer, output, label or similar]",
            metavar="FIELD",
        ),
    ] = field(default_factory=list)
    labels: Annotated[
        list[str],
        Flag(
            "with --template: words for the values of the answer field, which are also the choices of each row",
            metavar="VALUE=WORD,...",
        ),
    ] = field(default_factory=list)
    chunk_tokens: Annotated[int, CHUNK_TOKENS] = 0
    overlap_tokens: Annotated[int, OVERLAP_TOKENS] = 0
    ask_questions: Annotated[
        int | None,
        Flag(
            "write prompts that ask a model for N questions with answers about each document or passage",
            minimum=1,
            metavar="N",
        ),
    ] = None
    read_questions: Annotated[
        bool,
        Flag("read the completions of --ask-questions: each question with an answer from its document becomes a row"),
    ] = False

    @property
    def reads_documents(self) -> bool:
        """Whether records are documents, with an id and a title, and not rows of a format."""
        return self.chunk_tokens > 0 or self.ask_questions is not None


def check_instruction_flags(settings: InstructionSettings, given: dict[str, bool]) -> None:
    """Raise UserError for flags that have no effect; given: other flags, and whether they are set."""
    for flag, value in (("--answer", settings.answer), ("--labels", settings.labels)):
        if value and not settings.template:
            raise UserError(f"{flag}: has an effect only with --template")
        if value and settings.ask_questions:
            raise UserError(f"{flag}: has no effect with --ask-questions: prompts have no answer")
    if settings.labels and len(settings.answer) > 1:
        raise UserError("--labels: expected one --answer field, got several")
    if settings.overlap_tokens and not settings.chunk_tokens:
        raise UserError("--overlap-tokens: has an effect only with --chunk-tokens")
    if settings.chunk_tokens and settings.overlap_tokens >= settings.chunk_tokens:
        raise UserError(
            f"--overlap-tokens: expected less than --chunk-tokens ({settings.chunk_tokens}), "
            f"got {settings.overlap_tokens}"
        )
    own = {
        "--template": bool(settings.template),
        "--chunk-tokens": settings.chunk_tokens > 0,
        "--ask-questions": settings.ask_questions is not None,
        "--read-questions": settings.read_questions,
    }
    for flag, is_set in own.items():
        for other in [*CLASHES[flag], "--benchmark", "--judge", "--verifier"]:
            if is_set and (given.get(other) or own.get(other)):
                raise UserError(f"{other}: has no effect with {flag}")


# Flags that cannot be combined; each pair is in one list.
CLASHES = {
    "--template": ("--format",),
    "--chunk-tokens": ("--format", "--read-questions"),
    "--ask-questions": ("--format", "--eval", "--prompts", "--system", "--keep", "--keep-best", "--read-questions"),
    "--read-questions": ("--format", "--template", "--map", "--prompts", "--keep-best"),
}
