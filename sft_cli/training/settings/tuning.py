"""The trained weights and the optimizer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from sft_cli.model.adapters import ADAPTERS, CORDA_ROWS, LORA_PLUS_RATIO
from sft_cli.model.column_shape import COLUMN_RATIO, COLUMN_STRIDE, LATERALS
from sft_cli.run.flags import Flag
from sft_cli.training.tables import OPTIMIZERS


@dataclass(frozen=True, kw_only=True)
class TuningSettings:
    """The trained weights, the adapter, the optimizer, and how the model is run.

    Settings that belong to one adapter or optimizer are None until given: see `sft_cli.training.tuning`.
    """

    group: ClassVar[str] = "Model and adapter"

    adapter: Annotated[str, Flag("train every weight (none), or an adapter", choices=ADAPTERS, is_usual=True)] = "none"
    rank: Annotated[
        int | None,
        Flag(
            "rank of the adapter [default: 16; for osf: half of the singular directions of each matrix]",
            minimum=1,
            is_usual=True,
        ),
    ] = None
    lora_alpha: Annotated[
        int | None,
        Flag("scale (alpha) of the LoRA [default: 2 × rank; pissa, corda: rank; rslora: 16]", minimum=1),
    ] = None
    lora_dropout: Annotated[
        float | None, Flag("dropout on the input of the LoRA [default: 0]", minimum=0, maximum=0.99)
    ] = None
    target_modules: Annotated[
        list[str],
        Flag("linear layers that get the adapter: the ends of their names; repeatable [default: all except the head]"),
    ] = field(default_factory=list)
    lora_plus_ratio: Annotated[
        float | None,
        Flag(
            f"with lora-plus: learning rate of B divided by the learning rate of A [default: {LORA_PLUS_RATIO:g}]",
            minimum=1,
        ),
    ] = None
    corda_data: Annotated[
        list[str],
        Flag(
            "rows whose knowledge CorDA protects; repeatable [default: none: CorDA protects nothing]",
            reads=True,
        ),
    ] = field(default_factory=list)
    corda_rows: Annotated[
        int | None,
        Flag(
            f"number of rows that CorDA reads, of --corda-data if given, otherwise of DATA [default: {CORDA_ROWS}]",
            minimum=1,
            metavar="N",
        ),
    ] = None
    column_name: Annotated[
        str | None,
        Flag(
            "name of the new column, the network that progressive adds for a task "
            "[default: the task of the rows if all have one task, otherwise column-N]"
        ),
    ] = None
    column_ratio: Annotated[
        int | None, Flag(f"width of the model divided by the width of the column [default: {COLUMN_RATIO}]", minimum=1)
    ] = None
    column_stride: Annotated[
        int | None, Flag(f"number of model layers for each block of the column [default: {COLUMN_STRIDE}]", minimum=1)
    ] = None
    laterals: Annotated[
        str | None,
        Flag(
            "what the new column reads: only the model (base), the model and the last column (last), or the model "
            "and all columns (all) [default: all]",
            choices=LATERALS,
        ),
    ] = None
    freeze: Annotated[list[str], Flag("do not train weights whose names match; repeatable", metavar="REGEX")] = field(
        default_factory=list
    )
    freeze_bottom: Annotated[
        int | None, Flag("do not train the embedding and the lowest N layers", minimum=0, metavar="N")
    ] = None
    train_only: Annotated[list[str], Flag("train only weights whose names match; repeatable", metavar="REGEX")] = field(
        default_factory=list
    )
    optimizer: Annotated[
        str, Flag("optimizer of the trained weights", choices=OPTIMIZERS, group="Optimizer and schedule")
    ] = "adamw"
    beta1: Annotated[
        float | None,
        Flag(
            "decay of AdamW's first moment [default: 0.9]", minimum=0, maximum=0.999999, group="Optimizer and schedule"
        ),
    ] = None
    beta2: Annotated[
        float | None,
        Flag(
            "decay of AdamW's second moment [default: 0.999]",
            minimum=0,
            maximum=0.999999,
            group="Optimizer and schedule",
        ),
    ] = None
    epsilon: Annotated[
        float | None,
        Flag("number that AdamW adds to its denominator [default: 1e-8]", above=0, group="Optimizer and schedule"),
    ] = None
    momentum: Annotated[
        float | None,
        Flag(
            "momentum of muon or sgd [default: 0.95 for muon, 0 for sgd]",
            minimum=0,
            maximum=0.999999,
            group="Optimizer and schedule",
        ),
    ] = None
    checkpoint_activations: Annotated[
        bool,
        Flag(
            "compute each layer twice to save memory: about a third slower, same gradients",
            group="Devices",
            is_usual=True,
        ),
    ] = False
    compile: Annotated[
        bool,
        Flag(
            "compile the model with torch.compile: starts slowly, then runs faster; needs a C++ compiler",
            group="Devices",
        ),
    ] = False
    save_dtype: Annotated[
        str | None,
        Flag(
            "number format of the saved weights; training uses float32 [default: the format of the model's files]",
            choices=("float32", "bfloat16"),
            group="Saving and resuming",
        ),
    ] = None
