"""The program: `sft`, and `python -m sft_cli`."""

from sft_cli.run.signals import leave_at_signals


def main() -> None:
    """Entry point of the console script; signals are answered before anything large is imported."""
    leave_at_signals()
    from sft_cli import cli

    cli.main()


if __name__ == "__main__":
    main()
