"""Documents packed into one micro-batch compute what each computes alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_training import add_lora
from tiny_models import make_model

from sft_cli.encoding.encoder import Example
from sft_cli.losses.cross_entropy import cross_entropy
from sft_cli.model.attention import NAME, can_pack, padded_attention
from sft_cli.model.forward import Batch, has_plain_head, make_batch, target_logits, target_states, weighted_loss
from sft_cli.model.load import load_model

LENGTHS = (5, 17, 2, 40)


def examples(vocabulary: int = 200) -> list[Example]:
    draw = np.random.default_rng(0)
    made = []
    for length in LENGTHS:
        weights = (draw.random(length) < 0.6).astype(np.float32) * draw.choice([0.5, 1.0, 2.0], length)
        weights[0], weights[-1] = 0, 1
        made.append(Example(draw.integers(0, vocabulary, length).astype(np.int32), weights.astype(np.float32)))
    return made


def weighted_sum(model: Any, batch: Batch, chunk: int = 512) -> torch.Tensor:
    return weighted_loss(model, batch, lambda x, rows: cross_entropy(x, batch.labels[rows]), chunk)[0]


def plain_sum(model: Any, example: Example) -> torch.Tensor:
    """The same sum by the model's own forward, one document, all logits, nothing of ours."""
    ids = torch.from_numpy(example.ids.astype(np.int64))[None]
    logits = model(input_ids=ids, use_cache=False).logits[0, :-1].float()
    losses = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")
    return (losses * torch.from_numpy(example.weights)[1:]).sum()


def gradients(model: Any) -> torch.Tensor:
    found = [p.grad.flatten().clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    return torch.cat(found)


@pytest.fixture(params=["full", "lora"])
def model(request: pytest.FixtureRequest, tiny: Path) -> Any:
    loaded = load_model(str(tiny))
    assert loaded.config._attn_implementation == NAME
    if request.param == "lora":
        loaded = add_lora(loaded, str(tiny), 4, 8, 0.0, seed=0)
        for name, parameter in loaded.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.05)
    return loaded


def test_loss_and_gradient_of_a_packed_batch_equal_those_of_its_documents(model: Any) -> None:
    packed = weighted_sum(model, make_batch(examples()))
    packed.backward()
    ours = gradients(model)
    alone = [plain_sum(model, example) for example in examples()]
    sum(alone).backward()
    theirs = gradients(model)
    assert float(packed) == pytest.approx(float(sum(alone)), rel=1e-5)
    assert float((ours - theirs).abs().max()) <= 1e-5 * float(theirs.abs().max())


def test_in_float64_packing_is_exact(tiny: Path) -> None:
    model = load_model(str(tiny)).double()
    packed = weighted_sum(model, make_batch(examples()))
    packed.backward()
    ours = gradients(model)
    sum(weighted_sum(model, make_batch([example])) for example in examples()).backward()  # type: ignore[union-attr]
    theirs = gradients(model)
    assert packed.dtype == torch.float64
    assert float((ours - theirs).abs().max()) <= 1e-10 * float(theirs.abs().max())


def test_a_document_does_not_see_its_neighbours(model: Any) -> None:
    first, second = examples()[1], examples()[3]
    alone = target_states(model, make_batch([first]))
    beside = target_states(model, make_batch([second, first]))
    torch.testing.assert_close(beside[second.target_count :], alone, rtol=1e-5, atol=1e-6)


def test_padding_computes_the_same_where_packing_is_not_possible(tiny: Path) -> None:
    packing, padding = load_model(str(tiny)), load_model(str(tiny))
    padding.set_attn_implementation("sdpa")
    batch = make_batch(examples())
    torch.testing.assert_close(target_states(padding, batch), target_states(packing, batch), rtol=1e-4, atol=1e-5)


def test_architectures_with_windows_or_caps_are_padded() -> None:
    from transformers import Gemma2Config, LlamaConfig, MistralConfig, Qwen2Config

    assert can_pack(LlamaConfig())
    assert can_pack(Qwen2Config(use_sliding_window=False))
    assert not can_pack(MistralConfig(sliding_window=128))
    assert not can_pack(Gemma2Config())


SMALL: dict[str, Any] = {
    "vocab_size": 200,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
    "head_dim": 8,
}
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
BOTH_KINDS = ["sliding_attention", "full_attention"]
# Attention that is not plain: a configuration's class and what is peculiar to it; the implementation that it needs.
ODD: dict[str, tuple[str, dict[str, Any], str]] = {
    "capped scores": ("Gemma2", {"sliding_window": 8, "attn_logit_softcapping": 5.0}, "eager"),
    "sinks": ("GptOss", {"sliding_window": 8, "layer_types": BOTH_KINDS, **EXPERTS}, "eager"),
    "windows": ("Gemma3Text", {"sliding_window": 8, "layer_types": BOTH_KINDS}, "sdpa"),
    "capped, where SDPA is there": (
        "Gemma3Text",
        {"attn_logit_softcapping": 2.0, "layer_types": ["full_attention"] * 2},
        "eager",
    ),
    "alibi": ("Bloom", {"n_head": 4, "n_layer": 2}, "eager"),
    "no attention": ("Mamba", {}, "eager"),
    "chunks": ("Llama4Text", {"attention_chunk_size": 8, "intermediate_size_mlp": 48, **EXPERTS}, "sdpa"),
}


@pytest.mark.parametrize("kind", ODD)
def test_rows_of_a_batch_do_not_see_each_other_whatever_the_attention(kind: str, tmp_path: Path) -> None:
    """Loss and gradient equal those of each row alone, by the model's own attention."""
    import transformers

    name, options, implementation = ODD[kind]
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(**SMALL | options)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    model = load_model(str(tmp_path))
    assert model.config._attn_implementation == implementation
    together = weighted_sum(model, make_batch(examples()))
    together.backward()
    ours = gradients(model)
    plain = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager").eval()
    alone = [plain_sum(plain, example) for example in examples()]
    sum(alone).backward()
    theirs = gradients(plain)
    assert float(together) == pytest.approx(float(sum(alone)), rel=1e-5)
    assert float((ours - theirs).abs().max()) <= 1e-4 * float(theirs.abs().max())


def test_packed_attention_refuses_what_it_would_leave_out(tiny: Path) -> None:
    from sft_cli.model.attention import document_attention

    heads = [torch.randn(1, 2, 4, 4) for _ in range(3)]
    with pytest.raises(RuntimeError, match="packed attention does not compute s_aux"):
        document_attention(None, *heads, None, cu_seq_lens_q=torch.tensor([0, 4]), s_aux=torch.zeros(2))


def test_a_head_with_an_adapter_or_a_cap_is_left_to_the_model(tiny: Path) -> None:
    from peft import LoraConfig, get_peft_model

    model = load_model(str(tiny))
    assert has_plain_head(model)
    batch = make_batch(examples())
    before = weighted_sum(model, batch)
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=["lm_head", "q_proj"]))
    assert not has_plain_head(adapted)
    assert float(weighted_sum(adapted, batch, chunk=7)) == pytest.approx(float(before), rel=1e-5)
    assert target_logits(adapted, batch).shape == (len(batch.labels), model.config.vocab_size)
    capped = make_model(200)
    capped.config.final_logit_softcapping = 30.0
    assert not has_plain_head(capped)


def test_padding_on_the_left_is_not_ignored_by_our_attention(tiny: Path) -> None:
    model = load_model(str(tiny))
    ids = torch.tensor([[7, 8, 9, 10]])
    padded, mask = torch.tensor([[0, 0, 7, 8, 9, 10]]), torch.tensor([[0, 0, 1, 1, 1, 1]])
    alone = model(input_ids=ids).logits[0, -1]
    positions = torch.tensor([[0, 0, 0, 1, 2, 3]])
    left = model(input_ids=padded, attention_mask=mask, position_ids=positions).logits[0, -1]
    torch.testing.assert_close(left, alone, rtol=1e-4, atol=1e-5)


def test_the_first_token_of_a_document_cannot_be_a_target() -> None:
    with pytest.raises(ValueError, match="first token"):
        make_batch([Example(np.array([1, 2], dtype=np.int32), np.array([1, 1], dtype=np.float32))])


@pytest.mark.parametrize("lengths", [(5, 17, 2, 40, 1, 33), (3,), (8, 8, 8)])
def test_padding_documents_of_like_length_gives_the_attention_of_each_alone(lengths: tuple[int, ...]) -> None:
    """What runs on a GPU, here on a CPU: values and gradients."""
    generator = torch.Generator().manual_seed(0)
    tokens, filler = sum(lengths), 4
    heads = [torch.randn(1, h, tokens + filler, 8, generator=generator, dtype=torch.float64) for h in (4, 2, 2)]
    slope = torch.randn(1, tokens, 4, 8, generator=generator, dtype=torch.float64)
    leaves = [part.clone().requires_grad_() for part in heads]
    ours = padded_attention(*leaves, lengths, 0.3, 0.0)
    (ours[:, :tokens] * slope).sum().backward()
    others = [part.clone().requires_grad_() for part in heads]
    alone = [
        torch.nn.functional.scaled_dot_product_attention(*parts, is_causal=True, scale=0.3, enable_gqa=True)
        for parts in zip(*(part[:, :, :tokens].split(lengths, 2) for part in others), strict=True)
    ]
    theirs = torch.cat(alone, 2).transpose(1, 2)
    (theirs * slope).sum().backward()
    assert not ours[:, tokens:].any()
    torch.testing.assert_close(ours[:, :tokens], theirs)
    for mine, other in zip(leaves, others, strict=True):
        torch.testing.assert_close(mine.grad, other.grad)


def test_documents_that_were_read_without_gradients_can_be_trained_on() -> None:
    """Answers are written in inference mode in between, and what is kept of lengths must not be of that mode."""
    heads = [torch.randn(1, 2, 9, 4) for _ in range(3)]
    with torch.inference_mode():
        padded_attention(*heads, (4, 5), None, 0.0)
    leaves = [part.clone().requires_grad_() for part in heads]
    padded_attention(*leaves, (4, 5), None, 0.0).sum().backward()
    assert all(leaf.grad is not None for leaf in leaves)
