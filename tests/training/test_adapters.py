"""Adapters: each learns, and what it saves is, in plain peft on its base, the model that was trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import make_model, make_tokenizer

from sft_cli.model.adapters import ADAPTERS, COLUMN_ADAPTERS, TRAITS, AdapterPlan
from sft_cli.model.adapters.add import add_adapter, save_adapter
from sft_cli.model.load import load_model
from sft_cli.run.errors import UserError

QUICK = ("--batch-size", 4, "--dtype", "float32")
RATES = {"ia3": 3e-2}  # the others learn these few rows at 1e-2
HERE = [name for name in ADAPTERS if name not in ("none", "qlora", *COLUMN_ADAPTERS)]  # columns have their own tests
IDS = torch.tensor([[1, 30, 40, 50, 60]])


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(input_ids=IDS).logits


def options(name: str) -> tuple[Any, ...]:
    rank = ("--rank", 4) if "rank" in TRAITS[name].flags else ()
    return ("--adapter", name, *rank, "--learning-rate", RATES.get(name, 1e-2))


@pytest.mark.slow
@pytest.mark.parametrize("name", HERE)
def test_an_adapter_learns_and_loads_in_plain_peft_with_the_same_logits(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, name: str
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    out = tmp_path / "run"
    result = sft("train", rows_file, "--model", tiny, "-o", out, *options(name), "--epochs", 4, *QUICK)
    assert (result.code, "Warning" in result.err) == (0, False), result.err
    losses = [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert sum(losses[-2:]) < sum(losses[:2])
    assert not (out / "model.safetensors").exists()
    base = AutoModelForCausalLM.from_pretrained(tiny)
    before = logits(base)
    ours = logits(load_model(str(out)))
    torch.testing.assert_close(logits(PeftModel.from_pretrained(base, out)), ours, rtol=1e-5, atol=1e-5)
    assert (before - ours).abs().max() > 0.05
    generated = sft("generate", out, rows_file, "--max-new-tokens", 3, "--dtype", "float32")
    assert (generated.code, len(generated.rows)) == (0, 8), generated.err


@pytest.mark.slow
@pytest.mark.parametrize("name", HERE)
def test_a_saved_adapter_is_the_model_that_was_trained(tiny: Path, tmp_path: Path, name: str) -> None:
    adapted = add(tiny, name)
    torch.testing.assert_close(logits(adapted), logits(load_model(str(tiny))), rtol=1e-4, atol=1e-4)
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in adapted.parameters():
            if weight.requires_grad:
                weight += 0.05 * torch.randn_like(weight)
    save_adapter(adapted, tmp_path)
    loaded = logits(load_model(str(tmp_path)))
    torch.testing.assert_close(loaded, logits(adapted), rtol=1e-5, atol=1e-5)
    assert (loaded - logits(load_model(str(tiny)))).abs().max() > 0.05


def add(tiny: Path, name: str, rank: int = 4, **changes: Any) -> Any:
    has_rank = "rank" in TRAITS[name].flags
    plan = AdapterPlan(name, rank if has_rank else None, TRAITS[name].alpha(rank), **changes)
    if name == "corda":
        plan = plan.with_rows(run_two_rows, keeps_old=False)
    return add_adapter(load_model(str(tiny)), str(tiny), plan)


def run_two_rows(model: Any) -> None:
    for ids in (IDS, IDS.flip(1)):
        model(input_ids=ids)


@pytest.mark.parametrize("name", HERE)
def test_every_layer_of_an_adapter_gets_a_gradient_at_the_first_step(tiny: Path, name: str) -> None:
    adapted = add(tiny, name).train()
    adapted(input_ids=IDS, labels=IDS).loss.backward()
    layers: dict[str, float] = {}
    for weight_name, weight in adapted.named_parameters():
        if weight.requires_grad:
            layer = weight_name.partition("_proj.")[0]
            assert weight.grad is not None, weight_name
            layers[layer] = layers.get(layer, 0.0) + float(weight.grad.abs().sum())
    assert len(layers) == (6 if name == "ia3" else 14)  # of 2 layers: k, v, down; or q, k, v, o, gate, up, down
    assert min(layers.values()) > 0


def test_pissa_starts_as_the_largest_singular_directions(tiny: Path) -> None:
    adapted = add(tiny, "pissa")
    start = load_model(str(tiny)).state_dict()
    for name, layer in adapted.get_base_model().named_modules():
        if hasattr(layer, "lora_A"):
            weight = start[f"{name}.weight"]
            delta = layer.get_delta_weight("default").detach()
            torch.testing.assert_close(layer.base_layer.weight + delta, weight, rtol=1e-5, atol=1e-5)
            best = torch.linalg.svdvals(weight)[:4].square().sum()
            assert float(delta.square().sum() / best) == pytest.approx(1.0, abs=0.02)


def test_corda_moves_what_the_rows_use_least_when_they_are_to_be_kept(tiny: Path) -> None:
    changes = {}
    for keeps_old in (False, True):
        model = load_model(str(tiny))
        plan = AdapterPlan("corda", 4, 4).with_rows(run_two_rows, keeps_old)
        adapted = add_adapter(model, str(tiny), plan)
        with torch.no_grad():
            before = logits(adapted)
            for name, weight in adapted.named_parameters():
                if "lora_B" in name:
                    weight.zero_()  # takes the chosen directions away
        changes[keeps_old] = float((logits(adapted) - before).abs().mean())
    assert changes[True] < 0.1 * changes[False]


def test_osf_trains_as_many_directions_as_asked_and_none_of_those_it_keeps(tiny: Path) -> None:
    adapted = add(tiny, "osf", rank=3).train()
    start = load_model(str(tiny)).state_dict()
    optimizer = torch.optim.SGD([w for w in adapted.parameters() if w.requires_grad], lr=0.1)
    adapted(input_ids=IDS, labels=IDS).loss.backward()
    optimizer.step()
    for name, layer in adapted.get_base_model().named_modules():
        if hasattr(layer, "osf_svd_params"):
            assert layer.osf_svd_params["default"]["S_low"].shape == (3,)
            delta = layer.get_delta_weight("default").detach()
            u, s, v = torch.linalg.svd(start[f"{name}.weight"], full_matrices=False)
            kept = len(s) - 3
            assert float(delta.abs().max()) > 1e-6
            assert float((u[:, :kept].T @ delta).abs().max()) < 1e-4
            assert float((delta @ v[:kept].T).abs().max()) < 1e-4


def test_rslora_dora_and_ia3_are_what_they_are_called(tiny: Path, tmp_path: Path) -> None:
    configs = {}
    for name in ("lora", "rslora", "dora", "ia3", "pissa"):
        save_adapter(add(tiny, name, rank=8), tmp_path / name)
        configs[name] = json.loads((tmp_path / name / "adapter_config.json").read_text())
    assert [configs[name].get("use_rslora") for name in configs] == [False, True, False, None, False]
    assert [configs[name].get("use_dora") for name in configs] == [False, False, True, None, False]
    assert [configs[name].get("r") for name in configs] == [8, 8, 8, None, 16]  # PiSSA's is twice as wide as trained
    assert [configs[name].get("lora_alpha") for name in configs] == [16, 16, 16, None, 16]
    assert configs["pissa"]["init_lora_weights"] is True
    assert configs["ia3"]["feedforward_modules"] == ["down_proj"]
    assert configs["lora"]["target_modules"] == sorted(configs["lora"]["target_modules"])


def test_a_lora_on_the_head_learns_beside_a_tied_embedding(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    out = tmp_path / "run"
    command = ("train", rows_file, "--model", tiny, "-o", out, *options("lora"), "--epochs", 3, *QUICK)
    result = sft(*command, "--target-modules", "lm_head", "--target-modules", "q_proj")
    assert (result.code, "Warning" in result.err) == (0, False), result.err
    assert json.loads((out / "adapter_config.json").read_text())["target_modules"] == ["lm_head", "q_proj"]
    assert (out / "adapter_model.safetensors").stat().st_size < 40_000  # the factors alone, not the base's head
    ours = logits(load_model(str(out)))
    plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny), out)
    torch.testing.assert_close(logits(plain), ours, rtol=1e-5, atol=1e-5)
    assert (ours - logits(load_model(str(tiny)))).abs().max() > 0.05


def test_layers_and_ranks_that_are_not_there_are_named(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    def error(*words: Any) -> str:
        result = sft("train", rows_file, "--model", tiny, "-o", tmp_path / "run", *QUICK, *words)
        assert (result.code, "Traceback" in result.err) == (2, False)
        return str(result.err)

    unknown = error("--adapter", "lora", "--target-modules", "q_porj")
    assert "--target-modules: no linear layer has the name 'q_porj'. Did you mean 'q_proj'? Known: q_proj, " in unknown
    assert "--rank: expected at most 16 with --adapter pissa (" in error("--adapter", "pissa", "--rank", 17)
    assert "k_proj is 16 × 32), got 17" in error("--adapter", "corda", "--rank", 17)
    assert "--rank: expected at most 15 with --adapter osf" in error("--adapter", "osf", "--rank", 16)
    assert "unknown adapter 'lore'. Did you mean 'lora'?" in error("--adapter", "lore")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--rank", 4), "--rank: expected --adapter to be one of lora, rslora, dora, lora-plus, pissa, corda, osf, "),
        (("--adapter", "ia3", "--lora-dropout", 0.0), "--lora-dropout: expected --adapter to be one of lora, "),
        (("--adapter", "lora", "--lora-plus-ratio", 4), "--lora-plus-ratio: expected --adapter to be one of lora-plus"),
        (("--adapter", "lora", "--corda-rows", 4), "--corda-rows: expected --adapter to be one of corda, got lora"),
        (("--optimizer", "sgd", "--beta1", 0.5), "--beta1: expected --optimizer to be one of adamw, adamw-8bit, muon"),
        (("--momentum", 0.5), "--momentum: expected --optimizer to be one of muon, sgd, got adamw"),
    ],
)
def test_a_flag_of_another_adapter_or_optimizer_is_refused(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, words: Any, message: str
) -> None:
    result = sft("train", rows_file, "--model", tiny, "-o", tmp_path / "run", *words)
    assert (result.code, message in result.err) == (2, True), result.err


def test_a_package_that_is_missing_is_named(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *r: None if name == "bitsandbytes" else find(name, *r)
    )
    for words in (("--adapter", "qlora"), ("--optimizer", "adamw-8bit")):
        result = sft("train", rows_file, "--model", tiny, "-o", tmp_path / "run", *words)
        expected = f"{' '.join(words)}: needs the package bitsandbytes\nhint: pip install 'bitsandbytes>=0.46'"
        assert (result.code, expected in result.err) == (2, True), result.err
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: object())
    result = sft("train", rows_file, "--model", tiny, "-o", tmp_path / "run", "--adapter", "qlora", "--device", "cpu")
    assert (result.code, "--adapter qlora: expected a CUDA device, got cpu" in result.err) == (2, True), result.err


def test_the_plan_names_the_adapter(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    command = ("train", rows_file, "--model", tiny, "-o", tmp_path / "run", "--dry-run")
    assert "of them trained (dora of rank 16)" in sft(*command, "--adapter", "dora").err
    assert "of them trained (ia3)" in sft(*command, "--adapter", "ia3").err
    assert "adamw, peak learning rate 0.003," in sft(*command, "--adapter", "ia3").err


def test_distill_trains_an_adapter_that_moves_the_base(
    sft: Any, tiny: Path, tiny_teacher: Path, rows_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    command = ("distill", rows_file, "--model", tiny, "--teacher", tiny_teacher, "-o", out, "--epochs", 4)
    assert sft(*command, *options("pissa"), *QUICK, "--optimizer", "muon", "--checkpoint-activations").code == 0
    kl = [json.loads(line)["kl"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert sum(kl[-2:]) < sum(kl[:2])


@pytest.mark.slow
def test_corda_reads_rows_to_keep(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    weights = []
    for name, words in {"a": (), "b": ("--corda-data", rows_file), "c": ("--corda-rows", 1)}.items():
        command = ("train", rows_file, "--model", tiny, "-o", tmp_path / name, *options("corda"), *QUICK)
        result = sft(*command, *words)
        assert result.code == 0, result.err
        weights.append((tmp_path / name / "adapter_model.safetensors").read_bytes())
    assert len(set(weights)) == 3


def test_qlora_learns_on_four_bits(sft: Any, rows_file: Path, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    from tiny_models import make_tokenizer
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer, wide, out = make_tokenizer(), tmp_path / "wide", tmp_path / "run"  # 4-bit blocks are 64 numbers long
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=len(tokenizer), **sizes, initializer_range=0.2, eos_token_id=2, pad_token_id=0)
    LlamaForCausalLM(config).save_pretrained(wide)
    tokenizer.save_pretrained(wide)
    command = ("train", rows_file, "--model", wide, "-o", out, "--eval-data", rows_file, "--epochs", 4, *QUICK)
    result = sft(*command, *options("qlora"))
    assert result.code == 0, result.err
    losses = [
        json.loads(line)["eval_loss"] for line in (out / "metrics.jsonl").read_text().splitlines() if "eval" in line
    ]
    assert losses[-1] < losses[0]
    assert (logits(load_model(str(out))) - logits(load_model(str(wide)))).abs().max() > 0.05


def test_an_adapter_that_is_not_connected_is_our_error(tiny: Path, monkeypatch: Any) -> None:
    from sft_cli.training.loop import _check_moves

    _check_moves(0, 1.0, 0.5)
    _check_moves(0, 0.0, 0.0)  # a student that is its own teacher
    with pytest.raises(RuntimeError, match=r"loss is 1.*, but the trained weights have no gradient"):
        _check_moves(0, 1.0, 0.0)


def test_a_plan_with_a_wrong_target_is_refused_before_anything_is_changed(tiny: Path) -> None:
    model = load_model(str(tiny))
    with pytest.raises(UserError, match="no linear layer has the name 'nothing'"):
        add_adapter(model, str(tiny), AdapterPlan("lora", targets=("nothing",)))


def with_zero_rows(folder: Path, tied: bool, rows: slice) -> Path:
    """A tiny model, some rows of whose head are zeros, as of a padded vocabulary."""
    tokenizer = make_tokenizer()
    model = make_model(len(tokenizer) + 8, seed=3, tied=tied)
    with torch.no_grad():
        model.lm_head.weight[rows] = 0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("tied", [True, False])
def test_dora_trains_rows_of_zeros_and_loads_in_plain_peft(
    sft: Any, rows_file: Path, tmp_path: Path, tied: bool
) -> None:
    """A row of zeros has no direction: peft divides by its length."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = with_zero_rows(tmp_path / "base", tied, slice(-3, None))
    plan = AdapterPlan("dora", 4, 8, targets=("lm_head",))
    adapted = add_adapter(load_model(str(base)), str(base), plan)
    torch.testing.assert_close(logits(adapted), logits(load_model(str(base))), rtol=1e-5, atol=1e-5)
    command = ("train", rows_file, "--model", base, "--adapter", "dora", "--target-modules", "lm_head", "--rank", 4)
    result = sft(*command, "-o", tmp_path / "run", *QUICK)
    assert result.code == 0, result.err
    first = load_model(str(base)).lm_head.weight.shape[0] - 3 if not tied else 0
    assert (
        f"lm_head: {3 + tied} rows of the weight matrix are zero (the first is matrix row {first}); DoRA starts "
        "such rows with magnitude 0" in result.err
    )
    plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), tmp_path / "run").eval()
    assert torch.isfinite(logits(plain)).all()
    assert (logits(plain)[..., -3:].abs() > 0).all()  # the rows of zeros have learned
    assert sft("export", tmp_path / "run", "-o", tmp_path / "merged").code == 0


@pytest.mark.parametrize("name", ["pissa", "corda"])
def test_an_adapter_that_starts_from_weights_refuses_a_layer_of_zeros(tiny: Path, name: str) -> None:
    model = load_model(str(tiny))
    torch.nn.init.zeros_(model.model.layers[1].self_attn.o_proj.weight)  # as a layer that was added later
    plan = AdapterPlan(name, 4, 4).with_rows(run_two_rows, keeps_old=False)
    with pytest.raises(
        UserError,
        match=r"^--adapter \w+: expected weights that are not zero in model.layers.1.self_attn.o_proj, got only zeros",
    ):
        add_adapter(model, str(tiny), plan)


def test_corda_on_rows_that_a_layer_does_not_see_is_refused(tiny: Path) -> None:
    model = load_model(str(tiny))
    torch.nn.init.zeros_(model.model.layers[1].input_layernorm.weight)
    plan = AdapterPlan("corda", 4, 4).with_rows(run_two_rows, keeps_old=False)
    with pytest.raises(
        UserError,
        match=r"^--adapter corda: these rows give a layer only zeros, so CorDA has no initial weights: ",
    ):
        add_adapter(model, str(tiny), plan)


@pytest.mark.parametrize("name", [name for name in HERE if name != "ia3"])
def test_any_adapter_on_a_tied_head_starts_as_the_model_and_is_saved_as_it_was_trained(
    tiny: Path, tmp_path: Path, name: str
) -> None:
    """PiSSA and CorDA take a part out of the head, which must not go missing in the embedding."""
    adapted = add(tiny, name, targets=("lm_head", "q_proj"))
    torch.testing.assert_close(logits(adapted), logits(load_model(str(tiny))), rtol=1e-4, atol=1e-4)
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in adapted.parameters():
            if weight.requires_grad:
                weight += 0.05 * torch.randn_like(weight)
    save_adapter(adapted, tmp_path)
    torch.testing.assert_close(logits(load_model(str(tmp_path))), logits(adapted), rtol=1e-4, atol=1e-4)


def test_a_loss_that_is_no_number_before_any_weight_has_changed_is_not_blamed_on_the_rate(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path
) -> None:
    model = load_model(str(tiny))
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[3, 4] = torch.nan
    model.save_pretrained(tmp_path / "broken")
    make_tokenizer().save_pretrained(tmp_path / "broken")
    result = sft("train", rows_file, "--model", tmp_path / "broken", "-o", tmp_path / "run", *QUICK)
    assert result.code == 2
    assert "step 1: loss is nan, expected a number; rows of this step: " in result.err
    assert (
        "hint: at the first step the learning rate is not the cause: these weights have values that are not numbers: "
        "model.layers.1.mlp.up_p" in result.err
    )
    assert "--learning-rate" not in result.err
