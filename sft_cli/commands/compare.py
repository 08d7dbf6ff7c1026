"""`sft compare`: score files in, a paired verdict out."""

from __future__ import annotations

from sft_cli.report.settings import CompareSettings
from sft_cli.run.context import Run


def compare(settings: CompareSettings, run: Run) -> None:
    """Compare score files with the first: a verdict in one word, differences, intervals, p-values.

    Example:
      sft compare out/base.scores.jsonl out/tuned.scores.jsonl --fail-if-worse exact-match
      sft compare base.jsonl tuned.jsonl --gate 'old.exact_match >= base - 0.02' --junit gate.xml

    The verdict is better, worse, equivalent (the interval lies within --margin), no difference shown, too little data
    (with the number of rows that are needed) or not comparable.

    Rows are paired by id and sample; it is an error if the prompts, the references or the settings of sft generate
    differ. If a metric is only 0 or 1 for each prompt, the p-value is from an exact McNemar test and the interval is
    Newcombe's; otherwise they are from random swaps and a bootstrap of whole prompts (all their samples together).
    With fewer than 5 prompts there is no interval.

    --fail-if-worse accepts the same names as --metric; each metric knows whether higher is better. A difference is
    significant if p, after Holm's correction, is below 1 − confidence. --forgetting reads the scores of models that
    learned one task after another; --fail-if-worse then compares the last model with the base, task by task. --against
    adds the models of a second method, and compares the last models of both on every task except the last one.

    --explain shows what the rows that became worse share (task, length, language, cut or failed answers, format, loops,
    rows of --train, claims without support), --suggest what to try, with the figure that is the reason.

    --blind-page reads generation files and writes a page for people who judge them; --ratings reads what they judged.
    """
    from sft_cli.report.human.settings import check_no_human_flags
    from sft_cli.report.settings import check_compare_flags
    from sft_cli.run.process import collect_rarely, multiply_alone

    multiply_alone()
    collect_rarely()
    check_compare_flags(settings)
    if settings.blind_page or settings.ratings:
        from sft_cli.report.human.compare_people import compare_by_people

        return compare_by_people(settings, run)
    check_no_human_flags(settings)
    if settings.forgetting:
        from sft_cli.report.forgetting.compare import compare_forgetting

        return compare_forgetting(settings, run)
    from sft_cli.report.score_comparison import compare_scores

    compare_scores(settings, run)
