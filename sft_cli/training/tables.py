"""What training can do, on one page: tables of names that `--help` reads without importing torch."""

from sft_cli.run.registry import Table

# In which order an epoch goes through the rows: (corpus, seed, epoch) -> row numbers (n,).
ORDERS = Table(
    "order",
    {
        "shuffled": "sft_cli.training.plan.orders:shuffled",
        "given": "sft_cli.training.plan.orders:given",
        "length": "sft_cli.training.plan.orders:length",
        "curriculum": "sft_cli.training.plan.orders:curriculum",
    },
)

# How the learning rate changes after the warm-up: (progress from 0 to 1) -> factor.
SCHEDULES = Table(
    "schedule",
    {
        "cosine": "sft_cli.training.plan.schedule:cosine",
        "linear": "sft_cli.training.plan.schedule:linear",
        "constant": "sft_cli.training.plan.schedule:constant",
    },
)

# (model, settings) -> torch.optim.Optimizer over the weights that train.
OPTIMIZERS = Table(
    "optimizer",
    {
        "adamw": "sft_cli.training.optimizers:adamw",
        "adamw-8bit": "sft_cli.training.optimizers:adamw_8bit",
        "adafactor": "sft_cli.training.optimizers:adafactor",
        "muon": "sft_cli.training.muon:muon",
        "sgd": "sft_cli.training.optimizers:sgd",
    },
)
# The settings of each optimizer.
OPTIMIZER_FLAGS = {
    "adamw": ("beta1", "beta2", "epsilon"),
    "adamw-8bit": ("beta1", "beta2", "epsilon"),
    "adafactor": (),
    "muon": ("beta1", "beta2", "epsilon", "momentum"),
    "sgd": ("momentum",),
}
# The default peak learning rate is the adapter's times this. A step of every optimizer except SGD moves each weight by
# about the learning rate; a step of SGD moves it by rate × gradient, whose norm over the whole model is about 1.
RATE_FACTOR = {"adamw": 1.0, "adamw-8bit": 1.0, "adafactor": 1.0, "muon": 1.0, "sgd": 5000.0}

# What keeps old tasks in each training step: (start: Start) -> Continual, made from a model before its first step.
REGULARIZERS = Table(
    "regularizer",
    {
        "ewc": "sft_cli.training.continual.ewc:ewc",
        "si": "sft_cli.training.continual.si:si",
        "l2-sp": "sft_cli.training.continual.l2_sp:l2_sp",
        "kl": "sft_cli.training.continual.kl:kl",
    },
)
IMPORTANCES = ("ewc", "si")  # methods with an importance of each weight, which --record-importance writes
PULLS = (*IMPORTANCES, "l2-sp")  # those that pull weights back to where they started

# The options of losses (sft_cli.losses): {keyword of the loss: the flag}. Defaults are those of the loss.
LOSS_OPTIONS = {"focal": {"gamma": "focal_gamma"}, "label-smoothing": {"alpha": "label_smoothing"}}

# Where metrics are sent as well: a class Tracker(name, folder, settings, first_step) with log(step, metrics) and
# finish(). A tracker has the name of the package that its client comes from.
TRACKERS = Table(
    "tracker",
    {
        "tensorboard": "sft_cli.training.watching.trackers.tensorboard:TensorBoard",
        "trackio": "sft_cli.training.watching.trackers.trackio:Trackio",
        "wandb": "sft_cli.training.watching.trackers.wandb:WeightsAndBiases",
        "mlflow": "sft_cli.training.watching.trackers.mlflow:MLflow",
    },
)
