"""What rows look like before training, and what that means: `sft prep --stats`. One file for each group of figures."""

from __future__ import annotations

from sft_cli.run.registry import Table

# In the order in which they are shown.
STATISTICS = Table(
    "group of figures",
    {
        "rows": "sft_cli.curation.statistics.row_counts:RowFigures",
        "length": "sft_cli.curation.statistics.lengths:LengthFigures",
        "tokens": "sft_cli.curation.statistics.tokens:TokenFigures",
        "writing-systems": "sft_cli.curation.statistics.scripts:ScriptFigures",
        "duplicates": "sft_cli.curation.statistics.repeats:RepeatFigures",
        "answers": "sft_cli.curation.statistics.defects:DefectFigures",
        "personal-data": "sft_cli.curation.statistics.personal:PersonalFigures",
        "labels": "sft_cli.curation.statistics.labels:LabelFigures",
        "phrases": "sft_cli.curation.statistics.phrases:PhraseFigures",
        "n-grams": "sft_cli.curation.statistics.ngrams:NgramFigures",
    },
)
