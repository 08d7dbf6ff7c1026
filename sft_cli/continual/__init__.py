"""Ways of not forgetting that act on the training step: a table that `--help` reads without torch.

Each is `regularizer(start) -> Continual`, made from a model before its first step (`sft_cli.continual.protocol`).
"""

from sft_cli.run.registry import Table

CONTINUAL = Table(
    "regularizer",
    {
        "ewc": "sft_cli.continual.ewc:ewc",
        "si": "sft_cli.continual.si:si",
        "l2-sp": "sft_cli.continual.l2_sp:l2_sp",
        "kl": "sft_cli.continual.kl:kl",
    },
)

IMPORTANCES = ("ewc", "si")  # those that weigh the pull by an importance, which --record-importance writes
IMPORTANCE_ROWS = 256
ANCHOR_ROWS = 8  # Marek et al. 2026 replay as many sequences in each step
# Where an estimate rests on less than this share of its rows, labels are drawn at the temperature: 1 to 2 of 256 rows
# at temperature 1 were 207 to 219 at 4 (docs/log.md).
COLLAPSE_SHARE, COLLAPSE_TEMPERATURE = 1 / 8, 4.0
