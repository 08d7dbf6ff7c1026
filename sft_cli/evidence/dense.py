"""Search by vectors: the passages whose vectors have the largest product with that of a query."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sft_cli.evidence.index.arrays import mapped_array
from sft_cli.evidence.index.search_index import Hit, best_hits, read_index_facts
from sft_cli.evidence.index.vector_graphs import VectorGraphs, graphs_are_whole
from sft_cli.evidence.settings import USEARCH, RetrieveSettings
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.run.manifest import input_entry

if TYPE_CHECKING:
    from sft_cli.model.text_models import TextEmbedder

VECTORS_AT_ONCE = 65_536  # passages whose products are in memory
# Below, a query is compared with all vectors in about 0.1 s.
MANY_PASSAGES = 1_000_000


def is_approximate(choice: str, passages: int) -> bool:
    """Whether --vector-search asks for graphs in an index of this size; auto does if usearch is installed."""
    from importlib.util import find_spec

    return choice == "approximate" or (
        choice == "auto" and passages > MANY_PASSAGES and find_spec("usearch") is not None
    )


class EmbeddingModel:
    """The checkpoint of --embedding, loaded at its first use; it says once how it makes vectors."""

    def __init__(self, name: str, settings: RetrieveSettings, run: Run) -> None:
        self.name, self.settings, self.run = name, settings, run

    @cached_property
    def digest(self) -> str:
        """The hash of the files of the checkpoint."""
        return str(input_entry(self.name)["sha256"])

    @cached_property
    def loaded(self) -> TextEmbedder:
        """The model itself; raises UserError if it cannot be loaded."""
        from sft_cli.model.text_models import TextEmbedder

        model = TextEmbedder(self.name, self.settings)
        self.run.say(f"embedding: {model.about}")
        if model.note:
            self.run.say(model.note)
        return model


class DenseSearch:
    """Finds passages by the product of vectors: the cosine, if vectors have length 1."""

    def __init__(self, folder: Path, model: EmbeddingModel) -> None:
        facts = read_index_facts(folder)
        self.model = model
        try:
            self.vectors = mapped_array(folder, "vectors").reshape(facts["passages"], facts["vectors"]["width"])
        except (OSError, ValueError) as error:  # reshape: of another size
            hint = "hint: --corpus FILES --index-only --force builds it again"
            raise UserError(f"--index: {folder}: the index is damaged: vectors: {error}\n{hint}") from error
        self.graphs = self._opened_graphs(folder, facts["passages"])

    def _opened_graphs(self, folder: Path, passages: int) -> VectorGraphs | None:
        """The graphs to search, or None for an exact search; says which search it is, if the user may not expect it."""
        choice, say = self.model.settings.vector_search, self.model.run.say
        if is_approximate(choice, passages) and graphs_are_whole(folder):
            say("vectors: approximate search can miss some of the nearest passages; --vector-search exact finds all")
            return VectorGraphs(folder, self.model.settings.threads)
        if choice == "auto" and passages > MANY_PASSAGES:
            needs = "" if is_approximate(choice, passages) else f"pip install '{USEARCH}', and then "
            say(f"vectors: exact search, slow in a large index; {needs}--vector-search approximate builds a graph")
        return None

    def find_all(self, texts: Sequence[str], most: int) -> list[list[Hit]]:
        """The `most` nearest passages of each text, best first; equal ones in the order of the corpus.

        A text without tokens has no passages.
        """
        import numpy

        queries = self.model.loaded.queries(texts)
        if self.graphs is not None:
            return self._find_near(self.graphs, queries, most)
        best: list[list[Hit]] = [[] for _ in texts]
        for start in range(0, len(self.vectors), VECTORS_AT_ONCE):
            products: Any = queries @ self.vectors[start : start + VECTORS_AT_ONCE].T
            for number, scores in enumerate(products):
                if not queries[number].any():
                    continue
                nearest = best[number]
                least = nearest[-1].score if len(nearest) == most else float("-inf")
                near = numpy.flatnonzero(scores > least)  # few of the later passages are still among the best
                hits = [Hit(start + int(near[hit.passage]), hit.score) for hit in best_hits(scores[near], most, least)]
                best[number] = sorted(nearest + hits, key=lambda hit: (-hit.score, hit.passage))[:most]
        return best

    def _find_near(self, graphs: VectorGraphs, queries: Any, most: int) -> list[list[Hit]]:
        """The best passages among those that the graphs find, with their exact products."""
        best: list[list[Hit]] = []
        for query, numbers in zip(queries, graphs.candidates(queries, most), strict=True):
            hits = best_hits(self.vectors[numbers] @ query, most, float("-inf")) if query.any() else []
            best.append([Hit(int(numbers[hit.passage]), hit.score) for hit in hits])
        return best
