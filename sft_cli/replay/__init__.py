"""Ways to choose replay rows: `select(rows, budget, seed, measures) -> Selection`, and the flags of each."""

from sft_cli.run.registry import Table

SELECTORS = Table(
    "selector",
    {
        "reservoir": "sft_cli.replay.reservoir:reservoir",
        "herding": "sft_cli.replay.herding:herding",
        "k-means": "sft_cli.replay.k_means:k_means",
        "loss-high": "sft_cli.replay.loss:loss_high",
        "loss-low": "sft_cli.replay.loss:loss_low",
        "loss-middle": "sft_cli.replay.loss:loss_middle",
        "nearest": "sft_cli.replay.nearest:nearest",
    },
)
# The additional flags that a selector reads. All selectors except the reservoir need the --model.
SELECTOR_FLAGS: dict[str, tuple[str, ...]] = {
    "reservoir": (),
    "herding": ("model",),
    "k-means": ("model", "clusters"),
    "loss-high": ("model",),
    "loss-low": ("model",),
    "loss-middle": ("model",),
    "nearest": ("model", "nearest_to"),
}
