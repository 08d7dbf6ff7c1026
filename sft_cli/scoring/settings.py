"""The flags of `sft score`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from sft_cli.harness.settings import HarnessFlags
from sft_cli.metrics import METRICS
from sft_cli.metrics.answers import THINK, read_marks
from sft_cli.metrics.protocol import NamedMetric, read_metric
from sft_cli.metrics.tokenizers import TOKENIZERS
from sft_cli.run.errors import UserError
from sft_cli.run.flags import Common, Flag, ReadsRows


@dataclass(frozen=True, kw_only=True)
class ScoreSettings(Common, ReadsRows, HarnessFlags):
    """Flags of `sft score`."""

    group: ClassVar[str] = "Scoring"

    generations: Annotated[
        str,
        Flag(
            "file that sft generate wrote; - is stdin", positional=True, reads=True, metavar="GENERATIONS", group="Data"
        ),
    ] = "-"
    metric: Annotated[
        list[str],
        Flag(
            "metric; repeatable; options follow a colon, separated by commas (rouge-s:gap=none,stem=porter): "
            f"{', '.join(METRICS)}",
            metavar="NAME[:KEY=V]",
            starts="sft_cli.metrics:METRICS",
        ),
    ] = field(default_factory=lambda: ["exact-match", "token-f1", "rouge-l"])
    by: Annotated[str, Flag("also summarise the rows of each value of this field", metavar="FIELD")] = "task"
    tokenizer: Annotated[
        str,
        Flag(
            "how text is split into tokens; auto is mixed, for any writing system; rouge155 is for English only",
            choices=("auto", *TOKENIZERS),
        ),
    ] = "auto"
    reasoning: Annotated[
        str,
        Flag(
            "marks around thoughts; thoughts are not read as answers; the value none reads the whole completion",
            metavar="OPEN...CLOSE",
        ),
    ] = str(THINK)
    train: Annotated[
        list[str],
        Flag(
            "training rows of the model; scored rows that are in them are reported; repeatable "
            "[default: those that the manifests name]",
            reads=True,
            metavar="FILE",
        ),
    ] = field(default_factory=list)
    summary: Annotated[
        str | None, Flag("file for the summary as JSON [default: OUT.summary.json]", metavar="FILE", neutral=True)
    ] = None
    draws: Annotated[
        int, Flag("number of bootstrap resamples for the 95 % intervals; 0 writes no intervals", minimum=0, metavar="N")
    ] = 1000
    seed: Annotated[int, Flag("seed of the bootstrap", minimum=0, metavar="N")] = 0

    @property
    def summary_path(self) -> str | None:
        """Where the summary goes; None if no file is written."""
        return self.summary or (f"{self.out}.summary.json" if self.out != "-" else None)

    @property
    def option_files(self) -> list[str]:
        """The files that the options of metrics name: they are inputs too."""
        return [path for text in self.metric for path in read_metric(text).metric.files()]

    def __post_init__(self) -> None:
        if self.harness is not None and self.generations == "-":  # then stdin is not an input
            object.__setattr__(self, "generations", "")


def asked_metrics(settings: ScoreSettings) -> list[NamedMetric]:
    """The metrics of --metric, each with the tokenizer of --tokenizer; raises UserError for a repeated metric."""
    options = {} if settings.tokenizer == "auto" else {"tokenizer": settings.tokenizer}
    marks = "" if settings.reasoning == str(THINK) else str(read_marks(settings.reasoning) or "none")
    metrics = (read_metric(text, **options) for text in settings.metric)
    # Signatures have bars between them.
    named = [dataclasses.replace(metric, reasoning=marks.replace("|", "¦")) for metric in metrics]
    keys = [metric.key for metric in named]
    if len(set(keys)) < len(keys):
        raise UserError(f"--metric: {max(keys, key=keys.count)} is given twice")
    return named
