"""The page as one HTML file without network, and its figures as SVG files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sft_cli.report.forgetting.text import learned_nothing
from sft_cli.report.inert_html import inert_page_json, policy_hash
from sft_cli.report.page.curves import curve_figures, curve_lines
from sft_cli.report.page.data import Compared, forgetting_page_document, page_document
from sft_cli.report.page.forest import forest
from sft_cli.report.page.forgetting_map import forgetting_figure, matrix_table, methods_of
from sft_cli.report.page.histogram import histogram_figure
from sft_cli.report.page.lines import decimals, p_text, table_lines
from sft_cli.report.page.outcome import verdict_line
from sft_cli.report.page.reliability import reliability_figure
from sft_cli.report.page.row_table import said_of_rows
from sft_cli.report.page.svg import STYLES, Drawing
from sft_cli.report.row_settings import ShowsRows
from sft_cli.report.verdict import BETTER, EQUIVALENT, NO_DIFFERENCE, NOT_COMPARABLE, TOO_LITTLE, WORSE
from sft_cli.run.context import Run

PAGE_FOLDER = Path(__file__).parent
SCRIPTS = ("diff.js", "rows.js", "page.js")
# Of each verdict, beside its word: by shape and not only by colour.
VERDICT_SIGNS = {
    BETTER: "▲",
    WORSE: "▼",
    EQUIVALENT: "＝",
    NO_DIFFERENCE: "●",
    TOO_LITTLE: "…",
    NOT_COMPARABLE: "✕",
}
HISTOGRAM_TITLES = {"length": "Length of the completions", "repetition": "Repetition in the completions"}


def write_page(settings: ShowsRows, run: Run, compared: Compared) -> None:
    """Write the page and the figures that the flags ask for."""
    document = page_document(compared)
    if document["rows"]:
        for line in said_of_rows(document["rows"]):
            run.say(line)
    _write(settings, run, document)
    if settings.html:
        run.say(f"verdict: {verdict_line(document['verdicts'])}; page: {settings.html}")


def write_forgetting_page(settings: ShowsRows, run: Run, found: dict[str, Any]) -> None:
    """The same for a sequence of tasks; `found` is what `sft compare --forgetting --json` writes."""
    _write(settings, run, forgetting_page_document(found, settings.run))
    if settings.html:
        run.say(f"page: {settings.html}")


def _write(settings: ShowsRows, run: Run, document: dict[str, Any]) -> None:
    figures = page_figures(document)
    is_part = getattr(settings, "out", "-") != "-"  # then the manifest of --out names the files
    if settings.figures:
        for drawing in figures.values():
            path = str(Path(settings.figures) / f"{drawing.name}.svg")
            with run.output(path, has_manifest=False) as sink:
                sink.write(drawing.svg(is_file=True))
    if settings.html:
        with run.output(settings.html, has_manifest=not is_part) as sink:
            sink.write(page_html(document, figures))


def page_figures(document: dict[str, Any]) -> dict[str, Drawing]:
    """All figures that the document has numbers for, by their names."""
    figures: list[Drawing] = []
    if document["comparisons"]:
        figures.append(forest(document))
    figures += [histogram_figure(each, HISTOGRAM_TITLES[each["name"]]) for each in document["histograms"]]
    if document["calibration"] and document["calibration"]["systems"]:
        figures.append(reliability_figure(document["calibration"]["systems"], document["calibration"]["value"]))
    figures += curve_figures(document["runs"])
    if document["forgetting"]:
        figures.append(forgetting_figure(document["forgetting"], methods_of(document["forgetting"])))
    return {drawing.name: drawing for drawing in figures}


def page_html(document: dict[str, Any], figures: dict[str, Drawing]) -> str:
    """The page. Scripts and styles are allowed by their hashes alone, so that no text of a model can run."""
    from jinja2 import Environment, StrictUndefined

    script = "".join((PAGE_FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS)
    style = STYLES.read_text(encoding="utf-8") + (PAGE_FOLDER / "page.css").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": decimals, "signed": _signed_text, "interval": _interval_text, "p": p_text}
    data = inert_page_json(document)
    template = environment.from_string((PAGE_FOLDER / "template.html").read_text(encoding="utf-8"))
    return template.render(
        page=document,
        figures={name: drawing.svg() for name, drawing in figures.items()},
        titles=HISTOGRAM_TITLES,
        **table_lines(document),
        curve_lines=curve_lines(document["runs"]),
        methods=methods_of(document["forgetting"]) if document["forgetting"] else [],
        forgetting_notes=learned_nothing(document["forgetting"]) if document["forgetting"] else [],
        matrix=matrix_table(document["forgetting"]) if document["forgetting"] else None,
        data=data,
        script=script,
        style=style,
        policy=_policy(script, style),
        signs=VERDICT_SIGNS,
    )


def _policy(script: str, style: str) -> str:
    """The content security policy: nothing from anywhere, only this script and this style."""
    return (
        f"default-src 'none'; script-src '{policy_hash(script)}'; style-src '{policy_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _signed_text(value: float | None) -> str:
    return decimals(value, "+")


def _interval_text(bounds: list[float] | None) -> str:
    return f"{_signed_text(bounds[0])} to {_signed_text(bounds[1])}" if bounds else "–"
