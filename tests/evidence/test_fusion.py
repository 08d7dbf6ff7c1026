"""Fusion and reranking: the formula by hand, and the command from end to end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import entailment, relevance, save, save_embedder

from sft_cli.evidence.classifier_labels import positive_label
from sft_cli.evidence.fusion import fusion_depth, reciprocal_rank_fusion
from sft_cli.evidence.index.search_index import Hit
from sft_cli.model.text_models import PairScorer
from sft_cli.run.errors import UserError
from sft_cli.run.flags import UsesDevice

FLAGS = UsesDevice(dtype="float32", device="cpu", threads=1)
TEXTS = [
    "The quick brown fox.",
    "日本的货币是日元。",
    "What is the currency of Japan? The yen.",
    "The lazy dog jumps over.",
]
QUERIES = ["the currency of Japan", "日元", "the dog"]


def hits(*passages: int) -> list[Hit]:
    """A ranking whose scores must not matter."""
    return [Hit(passage, 1000.0 - 7 * place) for place, passage in enumerate(passages)]


def test_fusion_by_hand() -> None:
    fused = reciprocal_rank_fusion([hits(7, 3, 9), hits(3, 8)])
    assert [hit.passage for hit in fused] == [3, 7, 8, 9]
    expected = [1 / 62 + 1 / 61, 1 / 61, 1 / 62, 1 / 63]
    assert [hit.score for hit in fused] == pytest.approx(expected, abs=1e-15)


def test_equal_sums_are_in_the_order_of_the_corpus() -> None:
    assert [hit.passage for hit in reciprocal_rank_fusion([hits(5, 2), hits(2, 5)])] == [2, 5]
    assert reciprocal_rank_fusion([[], []]) == []


@given(st.lists(st.integers(0, 30), unique=True, max_size=20))
def test_fusion_with_itself_keeps_a_ranking(passages: list[int]) -> None:
    assert [hit.passage for hit in reciprocal_rank_fusion([hits(*passages)] * 2)] == passages


def test_lists_are_read_deeper_than_the_answer() -> None:
    assert [fusion_depth(top_k) for top_k in (1, 10, 11, 100)] == [100, 100, 110, 1000]


def logits_alone(made: Any, first: str, second: str) -> Any:
    model, tokenizer = made
    with torch.no_grad():
        return model.eval()(**tokenizer(first, second, return_tensors="pt")).logits[0]


def scorer_of(name: str) -> PairScorer:
    return PairScorer(name, FLAGS, *positive_label(name))


def test_one_logit_reads_the_query_first(tmp_path: Path) -> None:
    scorer = scorer_of(str(save("relevance", tmp_path)))
    expected = [float(logits_alone(relevance(), QUERIES[0], text)[0]) for text in TEXTS]
    assert scorer.scores(QUERIES[0], TEXTS) == pytest.approx(expected, abs=1e-5)


def test_entailment_has_the_passage_as_its_premise(tmp_path: Path) -> None:
    scorer = scorer_of(str(save("entailment", tmp_path)))
    expected = [float(logits_alone(entailment(), text, QUERIES[0]).softmax(dim=0)[2]) for text in TEXTS]
    assert scorer.scores(QUERIES[0], TEXTS) == pytest.approx(expected, abs=1e-5)


def test_the_longer_text_of_a_pair_is_cut_and_counted(tmp_path: Path) -> None:
    scorer = scorer_of(str(save("relevance", tmp_path)))
    scores = scorer.scores("fox", ["the lazy dog " * 100, "the lazy dog " * 200, "dog"])
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)
    assert scorer.cut == 2


def test_a_model_without_a_trained_classifier_is_refused(tmp_path: Path) -> None:
    folder = save("embedder", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "id2label": {"0": "x"}, "label2id": {"x": 0}}))
    with pytest.raises(UserError, match=r"got none for classifier\.bias, classifier\.weight"):
        scorer_of(str(folder))


def corpus_and_models(here: Path) -> None:
    save_embedder(here / "model")
    save("relevance", here)
    rows = [json.dumps({"id": f"d{number}", "text": text}) for number, text in enumerate(TEXTS)]
    (here / "corpus.jsonl").write_text("\n".join(rows) + "\n")


def ranking_of(sft: Any, *words: str) -> list[list[tuple[str, float]]]:
    flags = ("--dtype", "float32") if "--embedding" in words or "--rerank" in words else ()
    found = sft("retrieve", "--corpus", "corpus.jsonl", *words, *flags, "-", stdin="\n".join(QUERIES).encode())
    assert found.code == 0, found.err
    return [[(each["id"], each["score"]) for each in row["context"]] for row in found.rows]


def test_the_command_fuses_what_both_methods_find(here: Path, sft: Any) -> None:
    corpus_and_models(here)
    by_words = ranking_of(sft)
    by_vectors = ranking_of(sft, "--embedding", "model", "--method", "dense")
    fused = ranking_of(sft, "--embedding", "model")
    assert ranking_of(sft, "--embedding", "model", "--method", "fusion") == fused
    for words, vectors, both in zip(by_words, by_vectors, fused, strict=True):
        lists = [[Hit(int(name[1:]), score) for name, score in found] for found in (words, vectors)]
        expected = [(f"d{hit.passage}", round(hit.score, 6)) for hit in reciprocal_rank_fusion(lists)]
        assert both == expected


def test_reranking_orders_the_hits_by_the_classifier(here: Path, sft: Any) -> None:
    corpus_and_models(here)
    found = ranking_of(sft, "--rerank", "relevance", "--top-k", "2", "--rerank-top", "4")
    scorer = scorer_of(str(here / "relevance"))
    for query, candidates, got in zip(QUERIES, ranking_of(sft), found, strict=True):
        texts = [TEXTS[int(name[1:])] for name, _ in candidates]
        scores = {name: score for (name, _), score in zip(candidates, scorer.scores(query, texts), strict=True)}
        best = sorted(scores, key=lambda name: -scores[name])[:2]
        assert [name for name, _ in got] == best
        assert [score for _, score in got] == pytest.approx([scores[name] for name in best], abs=1e-3)


def test_how_many_prompts_are_read_together_changes_nothing(here: Path, sft: Any, monkeypatch: Any) -> None:
    corpus_and_models(here)
    together = ranking_of(sft, "--embedding", "model")
    monkeypatch.setattr("sft_cli.commands.retrieve.PROMPTS_AT_ONCE", 1)
    assert ranking_of(sft, "--embedding", "model") == together
    monkeypatch.setattr("sft_cli.evidence.dense.VECTORS_AT_ONCE", 1)
    assert ranking_of(sft, "--embedding", "model") == together
