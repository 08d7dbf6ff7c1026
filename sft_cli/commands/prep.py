"""`sft prep`."""
from dataclasses import dataclass, field
from typing import Annotated
from sft_cli.run.context import Run
from sft_cli.run.flags import Common, Flag, ReadsRows

@dataclass(frozen=True, kw_only=True)
class PrepSettings(Common, ReadsRows):
    """Flags of `sft prep`."""
    inputs: Annotated[list[str], Flag("files", positional=True, reads=True)] = field(default_factory=lambda: ["-"])
    rate: Annotated[float, Flag("a rate", minimum=0)] = 1e-5

def prep(settings: PrepSettings, run: Run) -> None:
    """Turn raw data into rows.

    Example: sft prep a.json
    """
    with run.output() as sink:
        sink.write(repr(settings) + "\n")
