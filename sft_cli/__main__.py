"""`python -m sft_cli` is `sft`."""

from sft_cli.cli import main

main()
