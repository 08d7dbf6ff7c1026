"""All rows of a run: those that are learned, and those that are only looked at."""

from __future__ import annotations

from dataclasses import dataclass

from sft_cli.training.rows.corpus import Corpus
from sft_cli.training.rows.reader import CorpusReader, describe_corpus
from sft_cli.training.settings import TrainSettings


@dataclass
class RowSets:
    """The rows of a run by what they are for; None for those that were not asked for."""

    train: Corpus
    held_out: Corpus | None = None
    importance: Corpus | None = None  # the rows on which EWC measures
    anchors: Corpus | None = None  # on which the old model is held
    retained: Corpus | None = None  # old rows whose loss is measured
    corda: Corpus | None = None  # what CorDA looks at; the training rows themselves if no others were given

    def all(self) -> list[Corpus]:
        """Every corpus once."""
        given = [self.train, self.held_out, self.importance, self.anchors, self.retained, self.corda]
        return list({id(corpus): corpus for corpus in given if corpus is not None}.values())

    def describe(self) -> list[str]:
        """Lines of the plan."""
        named = {"train": self.train, "held out": self.held_out, "anchors": self.anchors, "retained": self.retained}
        return [line for what, corpus in named.items() if corpus is not None for line in describe_corpus(corpus, what)]


def read_row_sets(reader: CorpusReader, settings: TrainSettings) -> RowSets:
    """Read what the settings name. Rules do not weigh held-out rows: their loss is there to compare runs."""

    def read(paths: list[str], what: str) -> Corpus | None:
        return reader.read(paths, what) if paths else None

    train = reader.read(settings.data, "training", settings.token_weights)
    sets = RowSets(
        train,
        held_out=read(settings.eval_data, "held-out"),
        importance=read(settings.importance_data, "importance"),
        anchors=read(settings.anchor_data, "anchor"),
        retained=read(settings.retain, "retained"),
    )
    if settings.adapter == "corda":
        sets.corda = read(settings.corda_data, "CorDA") if settings.corda_data else train
    return sets
