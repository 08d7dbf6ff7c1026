"""Vectors are those of the checkpoint's own files, in the index once, and found again after a kill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from run_command import Result
from safetensors.torch import load_file, save_file
from tiny_models import MEAN, embedder, plain, roberta_embedder, save, save_embedder

from sft_cli.evidence.index import vectors as vectors_module
from sft_cli.model.text_model_files import embedding_plan
from sft_cli.model.text_models import TextEmbedder
from sft_cli.run.errors import UserError
from sft_cli.run.flags import UsesDevice

TEXTS = [
    "The quick brown fox jumps over the lazy dog.",
    "日本的货币是日元。",
    "What is the currency of Japan?",
    "fox",
    "The yen. The yen.",
]
FLAGS = UsesDevice(dtype="float32", device="cpu", threads=1)


def states_of(text: str, most: int = 64) -> np.ndarray:
    """The last hidden states of one text alone, (tokens, 32)."""
    model, tokenizer = embedder()
    encoded = tokenizer(text, return_tensors="pt", truncation=True, max_length=most)
    with torch.no_grad():
        states: np.ndarray = model.eval()(**encoded).last_hidden_state[0].numpy()
    return states


def unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.sqrt((vector**2).sum()))


POOLINGS = {
    "pooling_mode_cls_token": lambda states: states[0],
    "pooling_mode_mean_tokens": lambda states: states.mean(axis=0),
    "pooling_mode_max_tokens": lambda states: states.max(axis=0),
    "pooling_mode_lasttoken": lambda states: states[-1],
}


@pytest.mark.parametrize("flag", POOLINGS)
def test_pooling_is_that_of_each_text_alone(tmp_path: Path, flag: str) -> None:
    folder = save_embedder(tmp_path / "model", {**dict.fromkeys(POOLINGS, False), flag: True})
    got = TextEmbedder(str(folder), FLAGS).passages(TEXTS)
    expected = [unit(POOLINGS[flag](states_of(text))) for text in TEXTS]
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_a_checkpoint_without_these_files_has_the_mean_and_says_so(tmp_path: Path) -> None:
    model = TextEmbedder(str(save("embedder", tmp_path)), FLAGS)
    np.testing.assert_allclose(model.passages(TEXTS[:1])[0], unit(states_of(TEXTS[0]).mean(axis=0)), atol=1e-5)
    assert "does not name one" in model.about


def test_texts_are_cut_where_the_files_say_and_counted(tmp_path: Path) -> None:
    model = TextEmbedder(str(save_embedder(tmp_path / "m", sentence_bert_config={"max_seq_length": 6})), FLAGS)
    got = model.passages(["fox", "the lazy dog " * 5])
    np.testing.assert_allclose(got[1], unit(states_of("the lazy dog " * 5, 6).mean(axis=0)), atol=1e-5)
    assert model.cut == 1


def test_positions_of_roberta_begin_after_the_padding(tmp_path: Path) -> None:
    model = TextEmbedder(str(save_embedder(tmp_path / "m", made=roberta_embedder())), FLAGS)
    assert model.max_tokens == 19
    assert np.isfinite(model.passages(["the lazy dog " * 50])).all()


def test_the_last_token_of_a_decoder_that_pads_on_the_left(tmp_path: Path) -> None:
    made, tokenizer = plain()
    tokenizer.padding_side = "left"
    pooling = {"pooling_mode_lasttoken": True, "include_prompt": True}
    model = TextEmbedder(str(save_embedder(tmp_path / "m", pooling, made=(made, tokenizer))), FLAGS)
    for text, got in zip(TEXTS, model.passages(TEXTS), strict=True):
        with torch.no_grad():
            states = made.eval().model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].numpy()
        np.testing.assert_allclose(got, unit(states[-1]), atol=1e-5)
    assert not model.passages([""]).any()  # this tokenizer adds no tokens


@pytest.mark.parametrize("activation", ["activation.Tanh", "linear.Identity"])
def test_a_dense_layer_follows_the_pooling(tmp_path: Path, activation: str) -> None:
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Dense": "Dense", "3_Normalize": "Normalize"}
    modules = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds.items()]
    folder = save_embedder(tmp_path / "m", modules=modules)
    (folder / "2_Dense").mkdir()
    (folder / "2_Dense" / "config.json").write_text(
        json.dumps({"activation_function": f"torch.nn.modules.{activation}"})
    )
    weights = {"linear.weight": torch.randn(8, 32), "linear.bias": torch.randn(8)}
    save_file(weights, folder / "2_Dense" / "model.safetensors")
    linear = weights["linear.weight"].numpy() @ states_of(TEXTS[0]).mean(axis=0) + weights["linear.bias"].numpy()
    expected = unit(np.tanh(linear) if "Tanh" in activation else linear)
    np.testing.assert_allclose(TextEmbedder(str(folder), FLAGS).passages(TEXTS)[0], expected, atol=1e-5)
    (folder / "2_Dense" / "model.safetensors").unlink()
    with pytest.raises(UserError, match="expected the weights of a layer"):
        TextEmbedder(str(folder), FLAGS)


def test_prompts_of_queries_and_passages_are_those_of_the_files(tmp_path: Path) -> None:
    config = {"prompts": {"query": "query: ", "passage": "passage: "}}
    model = TextEmbedder(str(save_embedder(tmp_path / "m", config_sentence_transformers=config)), FLAGS)
    for got, prompt in ((model.queries(["fox"]), "query: "), (model.passages(["fox"]), "passage: ")):
        np.testing.assert_allclose(got[0], unit(states_of(f"{prompt}fox").mean(axis=0)), atol=1e-5)


def test_vectors_of_a_model_for_dot_products_keep_their_lengths(tmp_path: Path) -> None:
    folder = save_embedder(tmp_path / "m", config_sentence_transformers={"similarity_fn_name": "dot"})
    got = TextEmbedder(str(folder), FLAGS).passages(TEXTS)
    np.testing.assert_allclose(got, [states_of(text).mean(axis=0) for text in TEXTS], atol=1e-5)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"pooling": {**MEAN, "pooling_mode_max_tokens": True}}, "expected one of mean, cls, max and last token, got "),
        ({"pooling": {"pooling_mode_weightedmean_tokens": True}}, "got pooling_mode_weightedmean_tokens"),
        ({"modules": [{"path": "", "type": "sentence_transformers.models.LSTM"}]}, "and then Normalize, got LSTM"),
        ({"config_sentence_transformers": {"similarity_fn_name": "euclidean"}}, "cosine or dot, got euclidean"),
        ({"config_sentence_transformers": {"prompts": {"query": 1}}}, "expected an object of texts"),
    ],
)
def test_what_we_cannot_compute_is_refused(tmp_path: Path, files: dict[str, Any], message: str) -> None:
    save_embedder(tmp_path / "m", **files)
    with pytest.raises(UserError, match=message):
        embedding_plan(str(tmp_path / "m"))


def test_weights_that_are_missing_are_not_made_up(tmp_path: Path) -> None:
    folder = save_embedder(tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "layer.1.output" not in name}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"got none for encoder\.layer\.1\.output"):
        TextEmbedder(str(folder), FLAGS)


def corpus(here: Path, texts: list[str], name: str = "corpus.jsonl") -> None:
    rows = [json.dumps({"id": f"{name[0]}{number}", "text": text}) for number, text in enumerate(texts)]
    (here / name).write_text("\n".join(rows) + "\n")


def index_it(sft: Any, *words: str) -> Result:
    result: Result = sft("retrieve", "--corpus", "corpus.jsonl", "--index", "idx", "--index-only", *words)
    return result


def vectors_of(folder: Path) -> np.ndarray:
    facts = json.loads((folder / "index.json").read_text())
    return np.fromfile(folder / "vectors.f4", dtype="<f4").reshape(facts["passages"], facts["vectors"]["width"])


def test_vectors_survive_a_kill(here: Path, sft: Any, monkeypatch: Any) -> None:
    save_embedder(here / "model")
    corpus(here, TEXTS)
    monkeypatch.setattr(vectors_module, "BLOCK_PASSAGES", 2)
    real, calls = TextEmbedder.passages, []

    def dies_at_the_second_block(self: TextEmbedder, texts: list[str]) -> Any:
        calls.append(texts)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(self, texts)

    monkeypatch.setattr(TextEmbedder, "passages", dies_at_the_second_block)
    assert index_it(sft, "--embedding", "model", "--dtype", "float32").code != 0
    with open(here / "idx" / "vectors.f4", "ab") as file:
        file.write(b"a part of a vector that a kill left")
    monkeypatch.setattr(TextEmbedder, "passages", real)
    result = index_it(sft, "--embedding", "model", "--dtype", "float32")
    assert result.code == 0, result.err
    assert "vectors: continued after 2 passages" in result.err
    np.testing.assert_allclose(vectors_of(here / "idx"), TextEmbedder("model", FLAGS).passages(TEXTS), atol=1e-6)


def test_an_index_gets_vectors_without_being_built_again(here: Path, sft: Any) -> None:
    save_embedder(here / "model")
    corpus(here, TEXTS)
    index_it(sft)
    before = (here / "idx" / "word_scores.f4").stat()
    result = index_it(sft, "--embedding", "model", "--dtype", "float32")
    assert "idx: up to date" in result.err
    assert vectors_of(here / "idx").shape == (5, 32)
    assert (here / "idx" / "word_scores.f4").stat().st_ino == before.st_ino


def test_added_passages_alone_are_embedded(here: Path, sft: Any, monkeypatch: Any) -> None:
    save_embedder(here / "model")
    corpus(here, TEXTS[:3])
    index_it(sft, "--embedding", "model", "--dtype", "float32")
    corpus(here, TEXTS[3:], "more.jsonl")
    add = ("retrieve", "--corpus", "more.jsonl", "--index", "idx", "--add", "--index-only")
    assert "idx: some passages have no vectors: --embedding DIR adds them" in sft(*add).err
    seen: list[list[str]] = []
    real = TextEmbedder.passages
    monkeypatch.setattr(TextEmbedder, "passages", lambda self, texts: seen.append(texts) or real(self, texts))
    sft(*add, "--embedding", "model", "--dtype", "float32")
    assert seen == [TEXTS[3:]]
    np.testing.assert_allclose(vectors_of(here / "idx"), TextEmbedder("model", FLAGS).passages(TEXTS), atol=1e-6)


def test_vectors_of_another_model_are_made_again(here: Path, sft: Any) -> None:
    save_embedder(here / "model")
    corpus(here, TEXTS)
    index_it(sft, "--embedding", "model", "--dtype", "float32")
    save_embedder(here / "model", {"pooling_mode_cls_token": True})
    result = index_it(sft, "--embedding", "model", "--dtype", "float32")
    assert "idx: vectors built again, because this changed: embedding" in result.err
    np.testing.assert_allclose(vectors_of(here / "idx"), TextEmbedder("model", FLAGS).passages(TEXTS), atol=1e-6)
    again = index_it(sft, "--embedding", "model", "--dtype", "float32")
    assert "embedding:" not in again.err  # not even loaded


def test_a_passage_is_the_nearest_to_itself(here: Path, sft: Any) -> None:
    save_embedder(here / "model")
    corpus(here, TEXTS)
    words = ("--corpus", "corpus.jsonl", "--embedding", "model", "--dtype", "float32", "--method", "dense", "-")
    result = sft("retrieve", *words, stdin="\n".join(TEXTS).encode())
    rows = [json.loads(line) for line in result.out.splitlines()]
    assert [row["context"][0]["id"] for row in rows] == [f"c{number}" for number in range(5)]
    assert [row["context"][0]["score"] for row in rows] == [1.0] * 5
    assert all(len(row["context"]) == 5 for row in rows)


@pytest.mark.parametrize("left", [b"", b"1234567", b"1" * 128])
def test_vectors_that_lost_their_end_are_damage(here: Path, sft: Any, left: bytes) -> None:
    save_embedder(here / "model")
    corpus(here, TEXTS)
    index_it(sft, "--embedding", "model", "--dtype", "float32")
    (here / "idx" / "vectors.f4").write_bytes(left)
    found = sft("retrieve", "--index", "idx", "--embedding", "model", "-", stdin=b"fox")
    assert found.code == 2
    assert "the index is damaged: vectors: " in found.err
    assert found.err.endswith("hint: --corpus FILES --index-only --force builds it again\n")


def test_padding_changes_nothing(tmp_path: Path) -> None:
    model = TextEmbedder(str(save_embedder(tmp_path / "m")), FLAGS)
    together = model.passages(TEXTS)
    alone = np.concatenate([model.passages([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-6)
