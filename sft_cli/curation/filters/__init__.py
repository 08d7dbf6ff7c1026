"""Filters of `sft prep --filter`: one file each. A filter is a dataclass; its fields are its options."""

from __future__ import annotations

from sft_cli.run.registry import Table

FILTERS = Table(
    "filter",
    {
        "length": "sft_cli.curation.filters.length:LengthFilter",
        "script": "sft_cli.curation.filters.script:ScriptFilter",
        "repetition": "sft_cli.curation.filters.repetition:RepetitionFilter",
        "refusal": "sft_cli.curation.filters.refusal:RefusalFilter",
        "markup": "sft_cli.curation.filters.markup:MarkupFilter",
        "pii": "sft_cli.curation.filters.pii:PersonalDataFilter",
        "words": "sft_cli.curation.filters.words:WordListFilter",
        "copy": "sft_cli.curation.filters.copy:CopyFilter",
        "conflict": "sft_cli.curation.filters.conflict:ConflictFilter",
    },
)
