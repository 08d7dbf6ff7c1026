"""The flags of `sft compare` that show rows with their texts, and that write the page and its figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

from sft_cli.run.errors import UserError
from sft_cli.run.flags import Flag
from sft_cli.run.manifest import input_paths

RUN_METRICS = "metrics.jsonl"


@dataclass(frozen=True, kw_only=True)
class ShowsRows:
    """Flags that show rows, and write a page."""

    group: ClassVar[str] = "Rows and page"

    show_worse: Annotated[
        int | None,
        Flag(
            "show the N rows with the largest drop of the first metric, with their texts",
            minimum=1,
            metavar="N",
            is_usual=True,
        ),
    ] = None
    show_better: Annotated[
        int | None,
        Flag("show the N rows with the largest gain of the first metric, with their texts", minimum=1, metavar="N"),
    ] = None
    texts: Annotated[
        list[str],
        Flag(
            "generations of a score file; once for each score file, in order [default: those that its manifest names]",
            reads=True,
            metavar="FILE",
        ),
    ] = field(default_factory=list)
    html: Annotated[
        str | None,
        Flag(
            "also write one HTML page: verdict, charts, rows side by side", neutral=True, metavar="FILE", is_usual=True
        ),
    ] = None
    figures: Annotated[
        str | None, Flag("also write the charts as SVG files into this directory", neutral=True, metavar="DIR")
    ] = None
    run: Annotated[
        list[str],
        Flag("a run of sft train whose curves the page shows; repeatable", reads=True, metavar="DIR"),
    ] = field(default_factory=list)

    def __post_init__(self) -> None:
        # Only the metrics are read, and so only they are hashed: the weights can have many gigabytes.
        runs = [str(Path(each) / RUN_METRICS) if (Path(each) / RUN_METRICS).is_file() else each for each in self.run]
        object.__setattr__(self, "run", runs)

    @property
    def has_page(self) -> bool:
        """Whether charts are written."""
        return bool(self.html or self.figures)

    @property
    def has_shown_rows(self) -> bool:
        """Whether rows are shown below the table."""
        return bool(self.show_worse or self.show_better)

    @property
    def has_texts(self) -> bool:
        """Whether the texts of rows are read."""
        return self.has_page or self.has_shown_rows


def check_shown_rows(settings: ShowsRows, count: int) -> None:
    """Raise UserError for flags of rows and pages that have no effect, or that do not fit `count` score files."""
    if settings.texts and not settings.has_texts:
        raise UserError(
            "--texts: has an effect only with --show-worse, --show-better, --explain, --suggest, --html or --figures"
        )
    if "-" in settings.texts:
        raise UserError("--texts -: expected a file, because texts are read more than once, got stdin")
    if settings.texts and len(settings.texts) != count:
        raise UserError(
            f"--texts: expected it once for each score file, {count} times; got {len(settings.texts)}\n"
            "hint: give the files in the order of the score files"
        )
    check_runs(settings)


def check_runs(settings: ShowsRows) -> None:
    """Raise UserError for a --run without metrics or without a page, and for a page in the place of another file."""
    if settings.html:
        others = {Path(path).resolve() for path in [getattr(settings, "out", "-"), *input_paths(settings)]}
        if Path(settings.html).resolve() in others:
            raise UserError(f"--html {settings.html}: expected another file than --out and the inputs, got the same")
    if settings.run and not settings.has_page:
        raise UserError("--run: has an effect only with --html or --figures")
    for path in settings.run:
        if not Path(path).is_file():
            raise UserError(
                f"--run {path}: expected a directory with {RUN_METRICS}, got none there\n"
                "hint: sft train writes this file into its output directory"
            )


def check_no_shown_rows(settings: ShowsRows) -> None:
    """Raise UserError for flags that have no effect with --forgetting."""
    given = {
        "--show-worse": settings.show_worse,
        "--show-better": settings.show_better,
        "--texts": settings.texts,
    }
    for flag in (flag for flag, value in given.items() if value):
        raise UserError(f"{flag}: has no effect with --forgetting")
    check_runs(settings)
