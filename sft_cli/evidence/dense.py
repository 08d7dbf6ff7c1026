"""Search by vectors: the passages whose vectors have the largest product with that of a query."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sft_cli.evidence.index.arrays import mapped_array
from sft_cli.evidence.index.search_index import Hit, best_hits, read_index_facts
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.run.flags import UsesDevice
from sft_cli.run.manifest import input_entry

if TYPE_CHECKING:
    from sft_cli.model.text_models import TextEmbedder

VECTORS_AT_ONCE = 65_536  # passages whose products are in memory


class EmbeddingModel:
    """The checkpoint of --embedding, loaded at its first use; it says once how it makes vectors."""

    def __init__(self, name: str, settings: UsesDevice, run: Run) -> None:
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

    def find_all(self, texts: Sequence[str], most: int) -> list[list[Hit]]:
        """The `most` nearest passages of each text, best first; equal ones in the order of the corpus.

        A text without tokens has no passages.
        """
        import numpy

        queries = self.model.loaded.queries(texts)
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
