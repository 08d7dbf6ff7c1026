"""The flags of `sft verify`, and the checks of their combinations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from sft_cli.data.kinds import RDF_KINDS, rdf_kind_of
from sft_cli.evidence.settings import SearchesCorpus, check_cut
from sft_cli.evidence.verification import POLICIES
from sft_cli.metrics.answers import THINK, read_marks
from sft_cli.run.errors import UserError, shown
from sft_cli.run.flags import Common, Flag, ReadsRows, UsesDevice, fields_of


@dataclass(frozen=True, kw_only=True)
class VerifySettings(Common, ReadsRows, SearchesCorpus, UsesDevice):
    """Flags of `sft verify`."""

    group: ClassVar[str] = "Verification"

    generations: Annotated[
        str, Flag("file that sft generate wrote; - is stdin", positional=True, reads=True, metavar="GENERATIONS")
    ] = "-"
    top_k: Annotated[
        int, Flag("with --corpus or --index: largest number of passages for each claim", minimum=1, metavar="N")
    ] = 5
    knowledge: Annotated[
        list[str],
        Flag(
            "triples (subject, relation, object) to check claims by: TSV, CSV, JSON, JSONL, Parquet or RDF; repeatable",
            reads=True,
            metavar="FILE",
            group="Knowledge graph",
        ),
    ] = field(default_factory=list)
    aliases: Annotated[
        list[str],
        Flag(
            "names of the entities and relations of --knowledge: id and alias, one pair per record; repeatable",
            reads=True,
            metavar="FILE",
            group="Knowledge graph",
        ),
    ] = field(default_factory=list)
    sparql: Annotated[
        str | None,
        Flag(
            "query (SELECT ?subject ?relation ?object, or CONSTRUCT) that chooses the triples of --knowledge "
            "[default: all]",
            reads=True,
            metavar="FILE",
            group="Knowledge graph",
        ),
    ] = None
    patterns: Annotated[
        list[str],
        Flag(
            "patterns of sentences, such as `capital: the capital of {subject} is {object}`, one per line; repeatable",
            reads=True,
            metavar="FILE",
            group="Knowledge graph",
        ),
    ] = field(default_factory=list)
    propose_patterns: Annotated[
        str | None,
        Flag(
            "write patterns of the sentences of this file, and stop; its rows have text, subject, relation and object",
            reads=True,
            metavar="FILE",
            group="Knowledge graph",
        ),
    ] = None
    functional: Annotated[
        list[str],
        Flag(
            "relation with at most one object for each subject, so that another object contradicts; repeatable "
            "[default: found in --knowledge]",
            metavar="RELATION",
            group="Knowledge graph",
        ),
    ] = field(default_factory=list)
    model: Annotated[
        str | None,
        Flag(
            "verifier that sft train made of rows of prep --verifier; it reads each claim with its evidence",
            reads=True,
            is_model=True,
            metavar="DIR",
            group="Verifier model",
        ),
    ] = None
    nli: Annotated[
        str | None,
        Flag(
            "as --model, but a sequence classifier with the labels entailment, neutral and contradiction",
            reads=True,
            metavar="DIR",
            group="Verifier model",
        ),
    ] = None
    calibrate: Annotated[
        str | None,
        Flag(
            "fit thresholds and probabilities on this file, rows of prep --verifier; write them, and stop",
            reads=True,
            metavar="FILE",
            group="Verifier model",
        ),
    ] = None
    calibration: Annotated[
        str | None,
        Flag(
            "use the thresholds of this file, which --calibrate wrote, and write the probability of each claim",
            reads=True,
            metavar="FILE",
            group="Verifier model",
        ),
    ] = None
    claims: Annotated[
        str | None,
        Flag("field with a list of claims to check [default: the sentences of the completion]", metavar="FIELD"),
    ] = None
    reasoning: Annotated[
        str,
        Flag(
            "marks around thoughts; thoughts are not checked; the value none checks the whole completion",
            metavar="OPEN...CLOSE",
        ),
    ] = str(THINK)
    policy: Annotated[
        str,
        Flag(
            "for an answer with too few supported claims: mark it (flag), write “I don't know” (abstain), "
            "remove unsupported claims (drop), or ask again (correct)",
            choices=POLICIES,
        ),
    ] = "flag"
    least_supported: Annotated[
        float,
        Flag(
            "with --policy: an answer stays as it is if at least this share of its claims is supported",
            minimum=0,
            maximum=1,
        ),
    ] = 1.0
    correct_with: Annotated[
        str | None,
        Flag(
            "with --policy correct: model that answers again, with the passages and the claims that failed",
            reads=True,
            is_model=True,
            metavar="MODEL",
        ),
    ] = None
    abstain_below: Annotated[
        float | None,
        Flag(
            "answer “I don't know” if the mean probability that the model gave to its tokens is below this",
            above=0,
            maximum=1,
            metavar="P",
        ),
    ] = None

    @property
    def uses_models(self) -> bool:
        """Whether a verifier model reads claims."""
        return self.model is not None or self.nli is not None


def check_verify_flags(settings: VerifySettings) -> None:
    """Raise UserError for flags that do not work together."""
    check_cut(settings)
    read_marks(settings.reasoning)
    if settings.top_k != VerifySettings.top_k and not settings.corpus and settings.index is None:
        raise UserError("--top-k: has an effect only with --corpus or --index")
    _check_verifier_flags(settings)
    if settings.policy == "flag" and settings.least_supported != 1.0:
        raise UserError("--least-supported: has an effect only with --policy abstain, drop or correct")
    if (settings.policy == "correct") != (settings.correct_with is not None):
        raise UserError("--policy correct, --correct-with: expected both or neither")
    for flag, value in (("--aliases", settings.aliases), ("--functional", settings.functional)):
        if value and not settings.knowledge:
            raise UserError(f"{flag}: has an effect only with --knowledge")
    if settings.sparql is not None:
        _check_query(settings)
    if settings.propose_patterns is not None:
        if not settings.knowledge:
            raise UserError("--propose-patterns: needs --knowledge")
        _refuse_others(
            settings,
            "--propose-patterns: writes patterns, and checks no answers",
            ("patterns", "functional", "model", "nli", "calibration"),
        )
    elif bool(settings.patterns) != bool(settings.knowledge):
        raise UserError(
            "--knowledge, --patterns: expected both or neither: patterns say how sentences state the triples"
        )
    if settings.claims is not None and settings.policy in ("drop", "correct"):
        raise UserError(
            f"--policy {settings.policy}: does not work with --claims: it changes the completion and not the field"
        )


def _check_verifier_flags(settings: VerifySettings) -> None:
    """Raise UserError for flags of models without a model, for two models, and for one that is none."""
    if settings.model is not None and settings.nli is not None:
        raise UserError("--model, --nli: expected only one of them")
    if settings.calibrate is not None:
        _refuse_others(settings, "--calibrate: reads only labelled claims", ("knowledge", "calibration"))
    if not settings.uses_models and settings.correct_with is None:
        for each in fields_of(UsesDevice):
            if getattr(settings, each.name) != each.default:
                raise UserError(f"{each.option}: has an effect only with --model, --nli or --correct-with")


def _refuse_others(settings: VerifySettings, problem: str, more: tuple[str, ...]) -> None:
    """Raise UserError for a flag that only the check of answers reads, beside a flag that does something else."""
    of_answers = ("generations", "corpus", "index", "claims", "reasoning", "policy", "abstain_below", *more)
    for each in fields_of(VerifySettings):
        if each.name in of_answers and getattr(settings, each.name) != each.default:
            raise UserError(f"{problem}; expected no {each.option}")


def _check_query(settings: VerifySettings) -> None:
    """Raise UserError if --sparql has nothing that a query can search."""
    if not settings.knowledge:
        raise UserError("--sparql: has an effect only with --knowledge")
    for path in settings.knowledge:
        if not rdf_kind_of(path):
            endings = ", ".join(RDF_KINDS)
            raise UserError(f"--sparql: expected RDF files in --knowledge ({endings}), got {shown(path)}")
