"""What is tuned: which of the model's weights, and by what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from sft_cli.model.adapters import ADAPTERS, CORDA_ROWS, LORA_PLUS_RATIO
from sft_cli.model.column_shape import COLUMN_RATIO, COLUMN_STRIDE, LATERALS
from sft_cli.run.flags import Flag
from sft_cli.training.tables import OPTIMIZERS


@dataclass(frozen=True, kw_only=True)
class TuningSettings:
    """What of the model trains, the optimizer, and how the model is run.

    Settings that belong to one adapter or optimizer are None until given: see `sft_cli.training.tuning`.
    """

    adapter: Annotated[str, Flag("what is trained: every weight (none), or an adapter", choices=ADAPTERS)] = "none"
    rank: Annotated[
        int | None,
        Flag("directions of each weight that the adapter trains; 16 if not given, half of them for osf", minimum=1),
    ] = None
    lora_alpha: Annotated[
        int | None,
        Flag("scale of the LoRA (alpha); 2 × rank if not given, rank for pissa and corda, 16 for rslora", minimum=1),
    ] = None
    lora_dropout: Annotated[
        float | None, Flag("dropout on the LoRA's input; 0 if not given", minimum=0, maximum=0.99)
    ] = None
    target_modules: Annotated[
        list[str],
        Flag("linear layers the adapter goes on, by the end of their names, repeatable; all but the head if not given"),
    ] = field(default_factory=list)
    lora_plus_ratio: Annotated[
        float | None,
        Flag(f"learning rate of a LoRA+'s B over that of its A; {LORA_PLUS_RATIO:g} if not given", minimum=1),
    ] = None
    corda_data: Annotated[
        list[str],
        Flag("rows that CorDA is to leave what it knows of; the training rows, to learn, if not given", reads=True),
    ] = field(default_factory=list)
    corda_rows: Annotated[
        int | None, Flag(f"rows that CorDA looks at; {CORDA_ROWS} if not given", minimum=1, metavar="N")
    ] = None
    column_name: Annotated[
        str | None,
        Flag("name of the new progressive column; the rows' task if they have one in common, else column-N"),
    ] = None
    column_ratio: Annotated[
        int | None, Flag(f"the model's width over the column's; {COLUMN_RATIO} if not given", minimum=1)
    ] = None
    column_stride: Annotated[
        int | None, Flag(f"layers of the model for each block of the column; {COLUMN_STRIDE} if not given", minimum=1)
    ] = None
    laterals: Annotated[
        str | None,
        Flag(
            "what the column reads: the model alone (base), and older columns: the newest (last), or all, as is the "
            "case if not given",
            choices=LATERALS,
        ),
    ] = None
    freeze: Annotated[list[str], Flag("leave weights whose names match as they are; repeatable", metavar="REGEX")] = (
        field(default_factory=list)
    )
    freeze_bottom: Annotated[
        int | None, Flag("leave the embedding and the lowest N layers as they are", minimum=0, metavar="N")
    ] = None
    train_only: Annotated[list[str], Flag("train only weights whose names match; repeatable", metavar="REGEX")] = field(
        default_factory=list
    )
    optimizer: Annotated[str, Flag("how weights follow their gradients", choices=OPTIMIZERS)] = "adamw"
    beta1: Annotated[
        float | None, Flag("decay of AdamW's first moment; 0.9 if not given", minimum=0, maximum=0.999999)
    ] = None
    beta2: Annotated[
        float | None, Flag("decay of AdamW's second moment; 0.999 if not given", minimum=0, maximum=0.999999)
    ] = None
    epsilon: Annotated[float | None, Flag("added to AdamW's root; 1e-8 if not given", above=0)] = None
    momentum: Annotated[float | None, Flag("of muon (0.95 if not given) or sgd (0)", minimum=0, maximum=0.999999)] = (
        None
    )
    checkpoint_activations: Annotated[
        bool, Flag("compute each layer twice and keep less in memory: a third slower, same gradients")
    ] = False
    compile: Annotated[bool, Flag("compile the model's body: slow to start, then faster; needs a C++ compiler")] = False
    save_dtype: Annotated[
        str | None,
        Flag(
            "number format of the saved weights, which train in float32; if not given the one the model is stored in",
            choices=("float32", "bfloat16"),
        ),
    ] = None
