"""From a loaded model to a model for training, by the settings: adapter, frozen weights, compilation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sft_cli.model.adapters import COLUMN_ADAPTERS, CORDA_ROWS, TRAITS, AdapterPlan, ColumnPlan
from sft_cli.model.adapters.add import add_adapter
from sft_cli.model.adapters.lora import four_bits
from sft_cli.model.column_shape import LoraShape
from sft_cli.model.compiling import checkpoint_activations, compile_body
from sft_cli.model.formats import stored_dtype
from sft_cli.model.forward import make_batch, target_states
from sft_cli.model.freezing import freeze, head_is_frozen_with_embedding
from sft_cli.model.fused import fuse_layers
from sft_cli.model.load import load_model
from sft_cli.model.progressive.add import free_name, is_progressive
from sft_cli.run.errors import UserError
from sft_cli.training.place import Place
from sft_cli.training.rows.corpus import Corpus
from sft_cli.training.settings import TrainSettings


def check_torch(settings: TrainSettings) -> None:
    """Raise UserError for an optimizer that this torch does not have."""
    if settings.optimizer == "muon" and not hasattr(torch.optim, "Muon"):
        raise UserError(f"--optimizer muon: needs torch 2.9, got {torch.__version__}\nhint: pip install -U torch")


def load_for_tuning(settings: TrainSettings, place: Place) -> Any:
    """The model in float32, or with 4-bit weights for QLoRA. Raises UserError for QLoRA without a CUDA device."""
    if settings.adapter == "qlora" and not place.device.startswith("cuda"):
        # On a CPU, bitsandbytes packs weights in eval mode for products without a gradient.
        raise UserError(f"--adapter qlora: expected a CUDA device, got {place.device}")
    four = four_bits(place.dtype) if settings.adapter == "qlora" else None
    # A model that will be sharded goes to the GPUs layer by layer, in parts; CorDA runs rows through it before.
    device = "cpu" if settings.shard and settings.adapter != "corda" else place.device
    model = load_model(settings.model, "float32", device, four)
    if is_progressive(model) and settings.adapter not in COLUMN_ADAPTERS:
        raise UserError(
            f"--model: {settings.model} has progressive columns that depend on its weights; expected --adapter "
            f"{' or '.join(COLUMN_ADAPTERS)} to add a column, got {settings.adapter}"
        )
    if place.device == "cpu" and not settings.compile:  # a GPU, and a compiler, have other kernels
        fuse_layers(model)
    return model


def adapter_plan(settings: TrainSettings) -> AdapterPlan:
    """The adapter of the settings, with its defaults."""
    traits = TRAITS[settings.adapter]
    rank = settings.rank if settings.rank is not None else traits.rank
    alpha = settings.lora_alpha if settings.lora_alpha is not None else traits.alpha(rank or 1)
    targets, dropout = tuple(settings.target_modules), settings.lora_dropout or 0.0
    given: dict[str, Any] = {"name": settings.column_name, "laterals": settings.laterals}
    given |= {"ratio": settings.column_ratio, "stride": settings.column_stride}
    column = ColumnPlan(**{name: value for name, value in given.items() if value is not None})
    return AdapterPlan(settings.adapter, rank, alpha, dropout, targets, settings.seed, column=column)


def tune(model: Any, settings: TrainSettings, place: Place, rows: Corpus | None = None) -> Any:
    """Turn `model` into the model for training. Only CorDA reads `rows`."""
    if settings.adapter != "none":
        # The name from the user, of a hub or of a bundled model; only a path depends on the current directory.
        base = str(Path(settings.model).resolve()) if Path(settings.model).exists() else settings.model
        plan = adapter_plan(settings)
        if rows is not None:
            plan = plan.with_rows(lambda model: run_rows(model, settings, place, rows), bool(settings.corda_data))
        model = add_adapter(model, base, plan)
        if settings.adapter in COLUMN_ADAPTERS and place.device == "cpu":
            fuse_layers(model.body.columns[-1])
    if settings.freeze or settings.train_only or settings.freeze_bottom is not None:
        freeze(model, settings.freeze_bottom, settings.freeze, settings.train_only)
    if settings.checkpoint_activations:
        checkpoint_activations(model)
    if settings.compile and not settings.dry_run:
        compile_body(model)
    return model


def name_column(model: Any, settings: TrainSettings, tasks: Sequence[str]) -> None:
    """Name a new column after the task of all rows, if no name was given and no older column has this name."""
    if settings.adapter not in COLUMN_ADAPTERS or settings.column_name is not None:
        return
    older = model.column_names[:-1]
    is_one = len(tasks) == 1 and tasks[0] and tasks[0] not in older
    model.config.rename_last(tasks[0] if is_one else free_name(older))


def saved_format(settings: TrainSettings) -> str:
    """The number format of the published weights: by default the format of the model; for a small adapter float32."""
    if settings.adapter not in ("none", *COLUMN_ADAPTERS):
        return "float32"
    return settings.save_dtype or stored_dtype(settings.model)


def describe_format(settings: TrainSettings) -> list[str]:
    """A line of the plan if saving rounds the trained weights, or if the saved format is wider than the model's."""
    stored, saved = stored_dtype(settings.model), saved_format(settings)
    if settings.adapter not in ("none", *COLUMN_ADAPTERS) or stored == saved == "float32":
        return []
    origin = f"as in {settings.model}" if stored == saved else f"{settings.model} is stored in {stored}"
    lost = "" if saved == "float32" else "; training uses float32, and the weights are rounded at the end"
    return [f"weights are saved in {saved} ({origin}{lost})"]


def run_rows(model: Any, settings: TrainSettings, place: Place, rows: Corpus) -> None:
    """Run some rows, sampled by the seed, through the model, one at a time and without gradients."""
    wanted = CORDA_ROWS if settings.corda_rows is None else settings.corda_rows
    drawn = np.random.default_rng(settings.seed).permutation(len(rows))[:wanted]
    with torch.no_grad(), place.autocast():
        for row in drawn:
            target_states(model, make_batch([rows[int(row)]], place.device))


def describe_tuning(model: Any, settings: TrainSettings) -> list[str]:
    """Lines of the plan: the model, the number of its trained weights, the adapter."""
    weights = list(model.parameters())
    total = sum(w.numel() for w in weights)
    trained = sum(w.numel() for w in weights if w.requires_grad)
    adapter = ""
    if settings.adapter in COLUMN_ADAPTERS:
        adapter = f" ({_describe_column(model)})"
    elif settings.adapter != "none":
        plan = adapter_plan(settings)
        adapter = f" ({settings.adapter}{f' of rank {plan.rank}' if plan.rank is not None else ''})"
    lines = [f"model: {settings.model}, {total / 1e6:,.1f} M weights, {trained / 1e6:,.1f} M of them trained{adapter}"]
    if settings.adapter == "none" and head_is_frozen_with_embedding(model):
        lines.append("  the head and the embedding share their weights, so the head is not trained either")
    return lines + [f"  {note}" for note in getattr(model, "notes", [])]


def _describe_column(model: Any) -> str:
    names, shape = model.column_names, model.config.shapes[-1]
    read = [names[0], *(names[source + 1] for source in shape.sources)]
    if isinstance(shape, LoraShape):
        size = f"a LoRA of rank {shape.rank}"
    else:
        size = f"{shape.width} wide, {shape.depth} blocks"
    return f"progressive: column {shape.name!r}, {size}, reads {', '.join(read)}"
