"""`sft score`: generations in, one line of metrics per row out, and a summary with confidence intervals."""

from __future__ import annotations

import json
import sys

from sft_cli.harness.settings import check_harness_flags
from sft_cli.metrics.answers import read_marks
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.run.process import collect_rarely, multiply_alone
from sft_cli.scoring.settings import ScoreSettings, asked_metrics
from sft_cli.scoring.summary import shown_summary


def score(settings: ScoreSettings, run: Run) -> None:
    """Score generations: one line of metrics per row, and a summary.

    Example: sft score out/a.gen.jsonl --metric exact-match --metric rouge-l -o out/a.scores.jsonl

    Each output row has the `metrics` of the row, and in `stats` the sums from which they are computed; sft compare
    resamples these sums. The summary goes to stderr as a table and to OUT.summary.json, with an interval and a
    signature for each metric. A row counts as wrong if its generation failed, or if its thought has no end mark (see
    --reasoning). Metrics that need a reference leave out rows without one, and report how many. It is an error if none
    of the metrics has a row left. Metrics of retrieved passages (recall-at-k, mrr, ndcg) need no completions. The
    metrics collapse, glue and superglue are computed from all rows together, and need a file, not stdin. Rows whose
    question or answer is in a training row of the model are reported (--train, or the manifests). --harness TASKS
    --model MODEL --data DIR runs lm-evaluation-harness offline, with a row for each of its questions.
    """
    from sft_cli.scoring.checks import check_scored
    from sft_cli.scoring.scoreboard import Scoreboard, Scorer
    from sft_cli.scoring.survey import surveyed_lines
    from sft_cli.scoring.trained_rows import check_trained_rows

    check_harness_flags(settings)
    multiply_alone()
    collect_rarely()
    if settings.generations == "-" and sys.stdin.isatty():
        raise UserError("GENERATIONS: expected rows, got nothing on stdin\nhint: sft score generations.jsonl")
    named, measured = asked_metrics(settings), None
    if summary_path := settings.summary_path:
        run.check_output(summary_path)
    trained = check_trained_rows(settings, run)
    if settings.harness is not None:
        from sft_cli.harness.run import run_harness

        run.check_output()
        measured = run_harness(settings, run)
        named = measured.named
    shown_path = settings.generations if settings.generations != "-" else "<stdin>"
    draws = settings.draws if summary_path or not settings.quiet else 0
    scorer = Scorer(named, settings.by, draws, settings.seed, shown_path, read_marks(settings.reasoning))
    is_streaming = settings.generations == "-" and settings.out == "-"
    with run.publishing():
        with run.output() as sink, run.ledger() as ledger:
            board = Scoreboard(scorer, ledger)
            lines = [] if measured else surveyed_lines(scorer, settings.generations, settings.limit)
            texts = board.score_rows(measured.rows) if measured else board.score(lines, alone=is_streaming)
            for text in texts:
                sink.write(text)
                if settings.out == "-":
                    sink.flush()  # the next command in the pipe sees each row at once
            summary = {**board.summary(), **({"rejected": ledger.rejected} if ledger.rejected else {})}
            if not ledger.rejected or settings.on_error == "skip":  # otherwise the ledger reports the bad rows
                for text in check_scored(shown_path, summary, named, board.tally.fields):
                    run.warn(text)
        run.record |= {"rows": summary["rows"], **({"trained": trained.counts()} if trained else {})}
        summary |= {"trained": trained.document()} if trained else {}
        summary |= {"harness": measured.summary} if measured else {}
        if summary_path:
            with run.output(summary_path, has_manifest=False) as sink:
                sink.write(json.dumps(summary, ensure_ascii=False, indent=1) + "\n")
    run.say(shown_summary(summary).rstrip("\n"))  # not with --quiet
