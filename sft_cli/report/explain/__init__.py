"""What the rows that became worse share, and what to try: a table of causes, and a table of rules."""

from __future__ import annotations

from sft_cli.run.registry import Table

# In this order: of two groups with the same rows, the earlier cause is the reason for the later.
CAUSES = Table(
    "cause",
    {
        "failed": "sft_cli.report.explain.answer_causes:no_answer",
        "loop": "sft_cli.report.explain.answer_causes:loop",
        "cut": "sft_cli.report.explain.answer_causes:cut",
        "format": "sft_cli.report.explain.form:broken_form",
        "evidence": "sft_cli.report.explain.answer_causes:less_evidence",
        "trained": "sft_cli.report.explain.row_causes:trained",
        "by": "sft_cli.report.explain.row_causes:by_field",
        "language": "sft_cli.report.explain.row_causes:language",
        "prompt-length": "sft_cli.report.explain.row_causes:prompt_length",
        "reference-length": "sft_cli.report.explain.row_causes:reference_length",
    },
)
