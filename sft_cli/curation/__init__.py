"""The rules by which rows are kept, changed and dropped, and how texts are compared."""

from __future__ import annotations

from sft_cli.run.registry import Table

DUPLICATES = Table(
    "way to find duplicates",
    {
        "exact": "sft_cli.curation.duplicates:ExactDuplicates",
        "normalised": "sft_cli.curation.duplicates:NormalisedDuplicates",
        "near": "sft_cli.curation.near_duplicates:NearDuplicates",
        "semantic": "sft_cli.curation.semantic_duplicates:SemanticDuplicates",
    },
)
REASONING = ("keep", "drop", "last")  # what is done with thoughts
