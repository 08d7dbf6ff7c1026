"""Add an adapter to a model, and save it in a directory that plain peft can load."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from sft_cli.model.adapters import ADAPTERS, COLUMN_ADAPTERS, AdapterPlan
from sft_cli.model.adapters.targets import linear_layers
from sft_cli.model.adapters.zeros import direct_zero_rows, refuse_zero_layers
from sft_cli.model.tied import is_tied, untie_head

MOVES_WEIGHTS = ("pissa", "corda")  # they start from a part of each weight, and remove it from the frozen weight


def add_adapter(model: Any, base: str, plan: AdapterPlan) -> Any:
    """A PeftModel for `plan`, with weights from the plan's seed, on a model that was loaded from `base`.

    With progressive columns it is a ProgressiveForCausalLM. `notes`, if present, are lines about weights of zeros.
    Raises UserError for unknown layers, for weights of zeros that cannot train, and for a rank that is too large.
    """
    import torch
    from peft import get_peft_model, get_peft_model_state_dict

    if plan.name in COLUMN_ADAPTERS:
        return ADAPTERS.load(plan.name)(model, plan)
    model.config._name_or_path = base
    model.name_or_path = base
    layers = linear_layers(model, plan.targets)
    if plan.name in MOVES_WEIGHTS:
        refuse_zero_layers(plan.name, layers)
        if is_tied(model) and model.get_output_embeddings() in layers.values():
            untie_head(model)  # otherwise the part that is removed from the head would be missing in the embedding
    torch.manual_seed(plan.seed)
    config = ADAPTERS.load(plan.name)(model, plan)
    adapted = get_peft_model(model, config)
    for entry in adapted.peft_config.values():
        entry.base_model_name_or_path = base
    if getattr(config, "use_dora", False):
        adapted.notes = direct_zero_rows(adapted, plan.seed)
    if plan.name in MOVES_WEIGHTS:
        state = get_peft_model_state_dict(adapted, save_embedding_layers=False)
        adapted.first_factors = {name: value.detach().clone() for name, value in state.items()}
    return adapted


def save_adapter(model: Any, folder: Path, weights: dict[str, Any] | None = None) -> None:
    """Write adapter_model.safetensors and adapter_config.json for the base before training.

    PiSSA and CorDA move a part s·B₀·A₀ of each weight into the adapter. The learned change is s·(B·A − B₀·A₀), which is
    saved as a plain LoRA of twice the rank, [B, −B₀]·[A; A₀]. `weights` replace those of the model.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    first = getattr(model, "first_factors", None)
    if first is None:
        model.save_pretrained(folder, save_embedding_layers=False, state_dict=weights)
    else:
        import torch

        state = get_peft_model_state_dict(model, state_dict=weights, save_embedding_layers=False)
        wide = {
            name: torch.cat([now, first[name]], 0) if "lora_A" in name else torch.cat([now, -first[name]], 1)
            for name, now in state.items()
        }
        wide = {name: tensor.detach().cpu().contiguous() for name, tensor in wide.items()}
        save_file(wide, folder / "adapter_model.safetensors", metadata={"format": "pt"})
        config = copy.deepcopy(model.peft_config["default"])
        config.r, config.lora_alpha = 2 * config.r, 2 * config.lora_alpha
        config.init_lora_weights, config.corda_config, config.inference_mode = True, None, True
        config.save_pretrained(folder)
    _sort_lists(folder / "adapter_config.json")


def _sort_lists(path: Path) -> None:
    # peft writes sets in their order, which differs between processes.
    config = json.loads(path.read_text(encoding="utf-8"))
    for key, value in config.items():
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            config[key] = sorted(value)
    path.write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")
