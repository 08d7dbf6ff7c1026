"""All numbers of the page, as one document: its figures and tables are drawn from it, and the page has it as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sft_cli.report.comparison import Comparison, Draws, Measure
from sft_cli.report.comparison_document import comparison_document
from sft_cli.report.gates import Outcome
from sft_cli.report.page.curves import read_runs
from sft_cli.report.page.histogram import histogram
from sft_cli.report.page.outcome import verdict_entries
from sft_cli.report.page.reliability import reliability
from sft_cli.report.page.row_table import row_table, rows_to_show
from sft_cli.report.page.slices import slice_by_field, slices_of
from sft_cli.report.page.text_facts import TextFacts, read_text_facts
from sft_cli.report.paired_rows import MeasuredPairs
from sft_cli.report.pairs import Pairs
from sft_cli.report.provenance import commands_of
from sft_cli.report.texts import TextFile


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What `sft compare` found, and what the page needs beside it. sources: empty for a page without texts."""

    pairs: Pairs
    measures: list[Measure]
    comparisons: list[Comparison]
    draws: Draws
    by: str
    gate: Outcome | None
    sources: list[TextFile]
    runs: list[str]


def page_document(compared: Compared) -> dict[str, Any]:
    """The document; keys with None are parts that the page does not have."""
    pairs, draws = compared.pairs, compared.draws
    measured = [MeasuredPairs.of(pairs, measure) for measure in compared.measures]
    places = rows_to_show(measured)
    facts = read_text_facts(compared.sources, pairs, places) if compared.sources else None
    labels = [file.label for file in pairs.files]
    document = comparison_document(pairs, compared.comparisons, compared.by, draws, compared.gate)
    for side, file in enumerate(document["files"]):
        file["cut"] = facts.cut[side] if facts else None  # of the compared rows, by their texts
    return {
        **document,
        "verdicts": verdict_entries(compared.comparisons),
        "slices": [
            *slice_by_field(compared.comparisons, compared.measures[0], compared.by),
            *(slices_of(pairs, compared.measures[0], draws, facts, compared.by) if facts else []),
        ],
        "histograms": _histograms(labels, facts) if facts else [],
        "calibration": _calibration(labels, measured[0], facts) if facts else None,
        "runs": read_runs(compared.runs),
        "forgetting": None,
        "commands": commands_of(labels, [file.path for file in pairs.files]),
        "rows": row_table(pairs, measured, places, facts) if facts else None,
    }


def _histograms(labels: list[str], facts: TextFacts) -> list[dict[str, Any]]:
    return [
        histogram("length", "words", facts.lengths, labels),
        histogram("repetition", "share", facts.repetition, labels),
    ]


def _calibration(labels: list[str], measured: MeasuredPairs, facts: TextFacts) -> dict[str, Any] | None:
    """The calibration of the systems whose rows have confidences; no systems if the first value is not right or wrong.

    None if no row has a confidence.
    """
    found = [
        reliability(label, list(facts.confidence[side]), measured.values[side].tolist())
        for side, label in enumerate(labels)
    ]
    entries = [each for each in found if each]
    is_known = any(confidence == confidence for own in facts.confidence for confidence in own)
    return {"value": measured.measure.value, "systems": entries} if is_known else None


def forgetting_page_document(document: dict[str, Any], runs: list[str]) -> dict[str, Any]:
    """The document of a page about a sequence of tasks, from that of `sft compare --forgetting --json`."""
    paths = [path for stage in document["files"] for path in stage]
    return {
        "schema": 1,
        "base": document["files"][0][0],
        "files": [],
        "verdicts": [],
        "comparisons": [],
        "confidence": document["confidence"],
        "draws": document["draws"],
        "seed": document["seed"],
        "gate": document.get("gate"),
        "slices": [],
        "histograms": [],
        "calibration": None,
        "runs": read_runs(runs),
        "forgetting": document,
        "commands": commands_of(paths, paths),
        "rows": None,
    }
