"""LoRA and its variants: two small matrices A (rank, in) and B (out, rank) beside each weight."""

from __future__ import annotations

from typing import Any

from sft_cli.model.adapters import AdapterPlan
from sft_cli.model.adapters.targets import check_rank, linear_layers


def lora_config(plan: AdapterPlan, **more: Any) -> Any:
    """peft's LoraConfig for a plan; `more` has the settings of a variant."""
    from peft import LoraConfig

    assert plan.rank is not None
    return LoraConfig(
        r=plan.rank,
        lora_alpha=plan.alpha,  # type: ignore[arg-type]
        lora_dropout=plan.dropout,
        target_modules=list(plan.targets) or "all-linear",
        task_type="CAUSAL_LM",
        **more,
    )


def none(model: Any, plan: AdapterPlan) -> None:
    """No adapter: every weight is trained."""


def lora(model: Any, plan: AdapterPlan) -> Any:
    """LoRA: W + (alpha/rank)·B·A, with B = 0 at the start (Hu et al. 2021, eq. 3)."""
    return lora_config(plan)


def rslora(model: Any, plan: AdapterPlan) -> Any:
    """rsLoRA: LoRA scaled by alpha/√rank, so that large ranks also learn (Kalajdzievski 2023, eq. 5)."""
    return lora_config(plan, use_rslora=True)


def dora(model: Any, plan: AdapterPlan) -> Any:
    """DoRA: LoRA for the direction of a weight, and a trained length for each of its rows (Liu et al. 2024, eq. 5)."""
    return lora_config(plan, use_dora=True)


def lora_plus(model: Any, plan: AdapterPlan) -> Any:
    """LoRA+: LoRA whose B learns --lora-plus-ratio times faster than A (Hayou et al. 2024)."""
    return lora_config(plan)


def pissa(model: Any, plan: AdapterPlan) -> Any:
    """PiSSA: LoRA that starts as the largest singular directions of each weight (Meng et al. 2024, eqs. 2–4).

    16 subspace iterations find them, in a fraction of the time of a full decomposition. Their error stays in the frozen
    weight, so the model is unchanged at the start.
    """
    check_rank(plan, linear_layers(model, plan.targets))
    return lora_config(plan, init_lora_weights="pissa_niter_16")


def qlora(model: Any, plan: AdapterPlan) -> Any:
    """QLoRA: LoRA on weights that are kept in 4 bits (NF4) (Dettmers et al. 2023); needs bitsandbytes and CUDA."""
    return lora_config(plan)


def four_bits(compute: str) -> Any:
    """The quantisation that QLoRA loads its model with: NF4, doubly quantised, products in `compute`."""
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, compute),
    )
