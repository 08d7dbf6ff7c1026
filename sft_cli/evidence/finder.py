"""The passages of prompts: found by words, by vectors or by both, and ranked again by a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from sft_cli.evidence.classifier_labels import positive_label
from sft_cli.evidence.dense import DenseSearch, EmbeddingModel
from sft_cli.evidence.fusion import fusion_depth, reciprocal_rank_fusion
from sft_cli.evidence.index.search_index import Hit, SearchIndex
from sft_cli.evidence.settings import RetrieveSettings
from sft_cli.run.context import Run
from sft_cli.run.text import counted

if TYPE_CHECKING:
    from sft_cli.model.text_models import PairScorer


class Finder:
    """Finds passages as the flags say. digits: how many digits of a score differ."""

    def __init__(self, index: SearchIndex, settings: RetrieveSettings, run: Run, model: EmbeddingModel | None) -> None:
        self.index, self.settings, self.run = index, settings, run
        self.method = settings.chosen_method
        self.dense = DenseSearch(index.folder, model) if model is not None and self.method != "bm25" else None
        self.digits = 6 if self.method == "fusion" and settings.rerank is None else 4

    def find_all(self, queries: Sequence[str]) -> Iterator[list[Hit]]:
        """The passages of each query, best first; --rerank reads those of a query when they are asked for."""
        settings = self.settings
        most = settings.top_k if settings.rerank is None else settings.reranked
        for query, hits in zip(queries, self._candidates(queries, most), strict=True):
            yield (hits if settings.rerank is None else self._ranked_again(query, hits))[: settings.top_k]

    def _candidates(self, queries: Sequence[str], most: int) -> list[list[Hit]]:
        """The passages of each query by --method, best first; those of a fusion are more than `most`."""
        depth = fusion_depth(most) if self.method == "fusion" else most
        by_words = [self.index.find(query, depth) for query in queries] if self.method != "dense" else []
        if self.dense is None:
            return by_words
        by_vectors = self.dense.find_all(queries, depth)
        if self.method == "dense":
            return by_vectors
        return [reciprocal_rank_fusion(rankings) for rankings in zip(by_words, by_vectors, strict=True)]

    def _ranked_again(self, query: str, hits: list[Hit]) -> list[Hit]:
        """The best of the hits with the scores of --rerank; equal scores keep their order."""
        chosen = hits[: self.settings.reranked]
        scores = self.scorer.scores(query, [self.index.text(hit.passage) for hit in chosen]) if chosen else []
        again = [Hit(hit.passage, score) for hit, score in zip(chosen, scores, strict=True)]
        return sorted(again, key=lambda hit: -hit.score)

    @cached_property
    def scorer(self) -> PairScorer:
        """The model of --rerank; raises UserError if it cannot be loaded, or if it scores something else."""
        from sft_cli.model.text_models import PairScorer

        assert self.settings.rerank is not None
        scorer = PairScorer(self.settings.rerank, self.settings, *positive_label(self.settings.rerank))
        if scorer.note:
            self.run.say(scorer.note)
        return scorer

    def say_what_was_cut(self) -> None:
        """Say how many pairs were too long for the model of --rerank."""
        if self.settings.rerank is not None and self.scorer.cut:
            most = f"longer than {self.scorer.max_tokens:,} tokens"
            self.run.say(f"--rerank: the end of {counted(self.scorer.cut, 'pair')} left out: {most}")
