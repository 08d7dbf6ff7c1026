"""`sft verify`: what the sources say of each claim of an answer; and this table of what happens to bad answers."""

from sft_cli.run.registry import Table

POLICIES = Table(
    "policy",
    {
        "flag": "sft_cli.evidence.verification.policy:flag",
        "abstain": "sft_cli.evidence.verification.policy:abstain",
        "drop": "sft_cli.evidence.verification.policy:drop",
        "correct": "sft_cli.evidence.verification.correction:Corrector",
    },
)
