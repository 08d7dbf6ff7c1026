"""What makes rows of the records of files: a format, templates, or evidence and claims; and what reads documents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sft_cli.data.chunking.records import PassageReader
from sft_cli.data.chunking.sources import Cut
from sft_cli.data.convert import Converter
from sft_cli.data.fields import known_fields, read_mapping
from sft_cli.data.identity import Ids
from sft_cli.data.ids import SeenIds
from sft_cli.data.instructions.convert import Answers, InstructionConverter
from sft_cli.data.instructions.label_words import read_label_words
from sft_cli.data.instructions.phrasings import WRITES_QUESTIONS, Phrasings
from sft_cli.data.row_rules import Voice
from sft_cli.data.settings import ConversionSettings
from sft_cli.data.verifier.convert import VERIFIER_FIELDS, VerifierConverter
from sft_cli.data.verifier.stances import read_labels
from sft_cli.run.text import counted

FileConverter = Converter | InstructionConverter | VerifierConverter


@dataclass
class FileConverters:
    """The converters of one run of `sft prep`, which share their ids.

    names: fields that the flags name, so that their bytes are text. passages: what cuts documents; None for other
    records. answers: those of --template.
    """

    converter: Callable[[], FileConverter]  # for the next file
    names: set[str] = field(default_factory=set)
    passages: PassageReader | None = None
    answers: Answers = field(default_factory=Answers)

    @classmethod
    def of(cls, settings: ConversionSettings, run: Voice) -> FileConverters:
        """The converters that the flags ask for. Raises UserError for a flag that cannot be read."""
        phrasings = _phrasings_of(settings)
        fields = {*settings.answer, *(phrasings.all_fields if phrasings else ())}
        known = VERIFIER_FIELDS if settings.verifier else (*known_fields(), *sorted(fields))
        mapping = read_mapping(settings.map, known)
        names = {*mapping, *fields}
        passages = _passage_reader(settings, mapping)
        left = {} if passages else mapping  # a passage has the new names
        makes = "eval" if settings.eval else "prompts" if settings.prompts or settings.ask_questions else ""
        task, ids, given, said = settings.task or "", Ids(), SeenIds(run.warn), set[str]()
        if settings.verifier:
            stances = read_labels(settings.label)
            return cls(lambda: VerifierConverter(stances, mapping, task, makes, ids, given), names)

        def rows(form: str, new_names: dict[str, list[str]]) -> Converter:
            return Converter(form, new_names, task, settings.system or "", makes, ids, run.say, given, said=said)

        if phrasings is None:
            form = "prompt-completion" if settings.read_questions else "text" if passages else settings.format
            return cls(lambda: rows(form, left), names, passages)
        answers = Answers(settings.answer, read_label_words(settings.labels))
        asked = settings.ask_questions or 0
        made = InstructionConverter(rows("messages", {}), phrasings, left, answers, settings.seed, asked, run.say)
        return cls(lambda: made, names, passages, answers)

    def report(self, run: Voice) -> None:
        """Say what all files together had: labels that no record has, documents and passages."""
        unused = self.answers.labels.unused() if self.answers.labels and self.answers.fields else []
        if unused:
            run.warn(f"--labels: no record has {', '.join(unused)}")
        if self.passages and self.passages.cut.most:
            documents = counted(self.passages.documents, "document")
            passages = counted(self.passages.passages, "passage")
            run.say(f"{documents}, {passages} of up to {counted(self.passages.cut.most, 'word')}")


def _phrasings_of(settings: ConversionSettings) -> Phrasings | None:
    """The templates of the flags; None for records of a format."""
    if not (settings.template or settings.ask_questions):
        return None
    return Phrasings.of(settings.template or [WRITES_QUESTIONS])


def _passage_reader(settings: ConversionSettings, mapping: dict[str, list[str]]) -> PassageReader | None:
    """What cuts documents; None for records that stay whole."""
    if not settings.reads_documents:
        return None
    is_raw_text = not (settings.template or settings.ask_questions)
    return PassageReader(Cut(settings.chunk_tokens, settings.overlap_tokens), mapping, headed=is_raw_text)
