"""`sft compare`: score files in, a paired verdict out."""

from __future__ import annotations

import json

from sft_cli.report.comparison import Draws, compare_all
from sft_cli.report.gates import judge
from sft_cli.report.limits import missing_in, read_limit, say_gate, wanted_measures
from sft_cli.report.pairs import check_pairs, pair_rows, unpaired_lines
from sft_cli.report.row_report import RowReport
from sft_cli.report.score_files import (
    check_signatures,
    common_metrics,
    labels_of,
    read_score_file,
)
from sft_cli.report.settings import CompareSettings, check_compare_flags, check_groups, left_out_lines
from sft_cli.report.table import markdown_table, text_table
from sft_cli.report.verdict import verdict_document, verdict_text
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.run.process import collect_rarely, multiply_alone


def compare(settings: CompareSettings, run: Run) -> None:
    """Compare score files with the first: differences, intervals, p-values, and how many rows changed.

    Example: sft compare out/base.scores.jsonl out/tuned.scores.jsonl --fail-if-worse exact-match

    Rows are paired by id and sample; it is an error if the prompts or references of a pair differ. p-values come from
    a paired approximate randomisation test. Intervals are Newcombe's if a metric is only 0 or 1 for each prompt,
    otherwise percentiles of a paired bootstrap; with fewer than 5 prompts there are none. The test and the bootstrap
    draw whole prompts (all their samples together), add up their sums, and compute the metric from the totals.

    --fail-if-worse accepts the same names as --metric; each metric knows whether higher is better. A difference is
    significant if p, after Holm's correction, is below 1 − confidence. --forgetting reads the scores of models that
    learned one task after another; --fail-if-worse then compares the last model with the base, task by task. --against
    adds the models of a second method, and compares the last models of both on every task except the last one.
    """
    multiply_alone()
    collect_rarely()
    check_compare_flags(settings)
    if settings.forgetting:
        from sft_cli.report.forgetting.compare import compare_forgetting

        return compare_forgetting(settings, run)
    if len(settings.scores) < 2:
        raise UserError("FILE: expected two or more score files, the base first; got one")
    labels = labels_of(settings.scores)
    files = [
        read_score_file(path, label, settings.by, settings.limit)
        for path, label in zip(settings.scores, labels, strict=True)
    ]
    check_groups(files[0], settings.by)
    pairs = pair_rows(files)
    everywhere, somewhere = common_metrics(files)
    measures = wanted_measures(settings.metric, settings.fail_if_worse, pairs, everywhere)
    limits = [read_limit(text, measures) for text in settings.fail_if_worse]
    for line in [*unpaired_lines(pairs), *check_pairs(pairs), *left_out_lines(settings, files, somewhere)]:
        run.say(line)
    for key in dict.fromkeys(measure.key for measure in measures):
        for line in check_signatures(files, key):
            run.say(line)
    draws = Draws(count=settings.draws, confidence=settings.confidence, seed=settings.seed)
    comparisons = compare_all(pairs, measures, draws)
    gate = None
    if limits:
        missing = [] if settings.allow_missing else missing_in(pairs, measures, limits)
        gate = judge(comparisons, limits, draws, missing)
    shown = RowReport(settings, run, pairs, measures[0])
    with run.output() as sink:
        if settings.json:
            document = verdict_document(pairs, comparisons, settings.by, draws, gate) | shown.document()
            sink.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
        else:
            table = markdown_table if settings.markdown else text_table
            sink.write(verdict_text(files, comparisons, settings.by, draws, table) + shown.text(settings.markdown))
        shown.write_page(measures, comparisons, draws, gate)
        # Inside, so that the manifest has the answer: --skip-if-current must not turn a no into a yes.
        say_gate(gate, run)
