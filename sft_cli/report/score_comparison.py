"""`sft compare` of score files: pairs, comparisons, gates, and the outputs."""

from __future__ import annotations

import json
import sys

from sft_cli.report.comparison import Draws
from sft_cli.report.comparison_document import comparison_document
from sft_cli.report.comparison_text import MARKDOWN, TEXT, comparison_text, gate_text
from sft_cli.report.gates import Judged, judge
from sft_cli.report.generation_settings import check_generation_settings
from sft_cli.report.junit import finish_gate
from sft_cli.report.measures import known_measures, read_gates, wanted_measures
from sft_cli.report.missing import missing_in
from sft_cli.report.paired_rows import adjust, compare_all
from sft_cli.report.pairs import check_pairs, read_pairs, unpaired_lines
from sft_cli.report.row_report import RowReport
from sft_cli.report.score_files import check_signatures, common_metrics
from sft_cli.report.settings import CompareSettings, left_out_lines
from sft_cli.report.trained import trained_lines
from sft_cli.report.truncation import truncation_lines
from sft_cli.run.context import Run
from sft_cli.run.terminal import shows_colours


def compare_scores(settings: CompareSettings, run: Run) -> None:
    """Compare the score files row by row; print the verdict and apply the gates."""
    pairs = read_pairs(settings)
    files = pairs.files
    everywhere, somewhere = common_metrics(files)
    known = known_measures(pairs, everywhere, with_values=bool(settings.metric or settings.has_gate or settings.margin))
    gates = read_gates(settings, known, list(pairs.groups()))
    measures = wanted_measures(settings, known, everywhere, gates)
    for line in [*unpaired_lines(pairs), *check_pairs(pairs), *left_out_lines(settings, files, somewhere)]:
        run.say(line)
    for key in dict.fromkeys(measure.key for measure in measures):
        for line in check_signatures(files, key):
            run.say(line)
    notes = [*check_generation_settings(files, settings.allow_different), *trained_lines(files)]
    draws = Draws(count=settings.draws, confidence=settings.confidence, seed=settings.seed)
    comparisons = compare_all(pairs, measures, draws, settings.all_pairs)
    adjust(comparisons, {gate.value for gate in gates if gate.by_chance})
    outcome = None
    if gates:
        missing = [] if settings.allow_missing else missing_in(pairs, measures, gates)
        outcome = judge([Judged.of(each) for each in comparisons], gates, draws, missing, settings.require_power)
    for line in truncation_lines(pairs, measures):
        run.say(line)
    shown = RowReport(settings, run, pairs, measures[0])
    shown.explain(measures[0], comparisons)
    with run.output() as sink:
        if settings.json:
            document = comparison_document(pairs, comparisons, settings.by, draws, outcome)
            sink.write(
                json.dumps({**document, "notes": notes, **shown.document()}, ensure_ascii=False, indent=1) + "\n"
            )
        else:
            has_colours = settings.out == "-" and shows_colours(sys.stdout)
            style = MARKDOWN if settings.markdown else TEXT._replace(colours=has_colours)
            if settings.markdown and outcome:
                sink.write(gate_text(outcome))
            sink.write(comparison_text(files, comparisons, draws, notes, style) + shown.text(style))
        shown.write_page(measures, comparisons, draws, outcome)
        # Inside, so that the manifest has the answer: --skip-if-current must not turn a no into a yes.
        finish_gate(outcome, settings.junit, run)
