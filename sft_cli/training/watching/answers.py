"""Evaluation by the model's answers during training: `generate` and `score` on the held-out rows."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from sft_cli.run.errors import UserError
from sft_cli.run.ledger import Ledger

if TYPE_CHECKING:
    from sft_cli.metrics.protocol import NamedMetric
    from sft_cli.training.best import Judge
    from sft_cli.training.setup import Setup


def answer_judge(metric: NamedMetric | None, setup: Setup) -> Judge | None:
    """The judge that answers the first --eval-rows held-out rows and returns the metric's value; None without a metric.

    Raises UserError if the metric applies to none of the rows.
    """
    if metric is None:
        return None
    from sft_cli.data.rows import as_prompt, read_rows
    from sft_cli.decoding.answers import answer_rows
    from sft_cli.scoring.generations import check_generation
    from sft_cli.scoring.totals import Totals
    from sft_cli.training.best import Judge

    settings = setup.settings
    # Bad rows were counted when the held-out loss was prepared.
    numbered_rows = read_rows(settings.eval_data, Ledger("skip"), settings.limit, need="prompt")
    rows = [as_prompt(row) for _, row in islice(numbered_rows, settings.eval_rows)]

    def value(answers: list[dict[str, Any]]) -> float | None:
        totals = Totals()
        for answer in answers:
            totals.add(metric.metric.sums(check_generation(answer)))
        return float(metric.values(totals.sums)[metric.primary]) if totals.count else None

    if value([{**row, "completion": "", "sample": 0, "finish_reason": "stop", "error": None} for row in rows]) is None:
        lacks = metric.metric.missing.replace("_", " ")
        raise UserError(f"--eval-metric: {metric.key} does not apply to any of {len(rows)} held-out rows ({lacks})")

    def score(model: Any) -> float:
        return value(answer_rows(model, setup.encoder, rows)) or 0.0

    return Judge(metric.primary, metric.metric.higher_is_better, score)
