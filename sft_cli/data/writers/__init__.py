"""Formats of other tools in which `sft prep --to` writes rows: one file each."""

from __future__ import annotations

from sft_cli.run.registry import Table

WRITERS = Table(
    "format to write",
    {
        "alpaca": "sft_cli.data.writers.alpaca:AlpacaWriter",
        "sharegpt": "sft_cli.data.writers.sharegpt:ShareGptWriter",
        "messages": "sft_cli.data.writers.messages:MessagesWriter",
        "openai": "sft_cli.data.writers.openai:OpenAiWriter",
        "parquet": "sft_cli.data.writers.parquet:ParquetWriter",
    },
)
