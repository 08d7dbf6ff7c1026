"""Models without our attention: padded batches, by transformers' own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_rows import chat
from tiny_models import make_tokenizer

from sft_cli.decoding.engines.transformers import TransformersEngine
from sft_cli.decoding.generation import Generation
from sft_cli.decoding.padded_batches import StaticBatches
from sft_cli.decoding.settings import GenerateSettings
from sft_cli.decoding.values import Decoding
from sft_cli.encoding.encoder import Encoder


def gemma2(tokenizer: Any) -> Any:
    """A small Gemma 2: soft caps on scores and logits, every other layer with a sliding window; no SDPA."""
    from transformers import Gemma2Config, Gemma2ForCausalLM

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "query_pre_attn_scalar": 8, "sliding_window": 8}
    caps = {"attn_logit_softcapping": 5.0, "final_logit_softcapping": 5.0, "initializer_range": 0.5}
    ends = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "max_position_embeddings": 256}
    config = Gemma2Config(vocab_size=len(tokenizer), **sizes, **heads, **caps, **ends)
    config._attn_implementation = "eager"
    return Gemma2ForCausalLM(config).eval()


@pytest.mark.parametrize("flags", [{}, {"temperature": 1.0, "samples": 3}, {"num_beams": 2}])
def test_a_completion_of_gemma_2_does_not_depend_on_its_neighbours(flags: dict[str, Any]) -> None:
    encoder = Encoder(make_tokenizer())
    model = gemma2(encoder.tokenizer)
    settings = GenerateSettings(model="", max_new_tokens=16, quiet=True, **flags)

    def completions(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        engine = TransformersEngine(model, encoder, Decoding.of(settings))
        assert isinstance(engine.batches, StaticBatches)
        return list(Generation(engine, rows, settings).complete())

    rows = [{**chat("fox " * (1 + 7 * at)), "id": str(at)} for at in range(4)]
    together = completions(rows)
    assert together == [found for row in rows for found in completions([row])]
    assert not [row["error"] for row in together if row["error"]]
    if settings.temperature:
        assert len({row["completion"] for row in together}) > 8


def test_greedy_gemma_2_takes_the_likeliest_token_of_a_whole_pass() -> None:
    encoder = Encoder(make_tokenizer())
    model = gemma2(encoder.tokenizer)
    settings = GenerateSettings(model="", max_new_tokens=12, quiet=True)
    engine = TransformersEngine(model, encoder, Decoding.of(settings))
    row = chat("The quick brown fox jumps over the lazy dog")
    (found,) = Generation(engine, [row], settings).complete()
    ids = encoder.prompt(row)[1]
    written: list[int] = []
    while len(written) < 12 and written[-1:] != [2]:
        logits = model(torch.tensor([[*ids, *written]]), use_cache=False).logits
        written.append(int(logits[0, -1].argmax()))
    assert found["completion"] == encoder.tokenizer.decode(written, skip_special_tokens=True)
