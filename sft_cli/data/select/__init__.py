"""Ways to choose replay rows: one file each, `select(rows, budget, cost, seed) -> Selection`."""

from sft_cli.run.registry import Table

SELECTORS = Table("selector", {"reservoir": "sft_cli.data.select.reservoir:reservoir"})
