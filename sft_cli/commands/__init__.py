"""The commands: one file per command, and this table of them."""

from sft_cli.run.registry import Table

COMMANDS = Table(
    "command",
    {
        "prep": "sft_cli.commands.prep:prep",
        "train": "sft_cli.commands.train:train",
        "distill": "sft_cli.commands.distill:distill",
        "replay-build": "sft_cli.commands.replay_build:replay_build",
        "retrieve": "sft_cli.commands.retrieve:retrieve",
        "generate": "sft_cli.commands.generate:generate",
        "verify": "sft_cli.commands.verify:verify",
        "score": "sft_cli.commands.score:score",
        "compare": "sft_cli.commands.compare:compare",
        "export": "sft_cli.commands.export:export",
    },
)
