"""METEOR as nltk computes it (Lavie and Agarwal 2007); not METEOR 1.5."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from sft_cli.metrics.answers import answer_of, unread
from sft_cli.metrics.arithmetic import ratio
from sft_cli.metrics.overlap import references_of
from sft_cli.metrics.protocol import Metric, Sums
from sft_cli.metrics.tokenizers import TokenizerName
from sft_cli.metrics.words import words_of
from sft_cli.run.errors import UserError, require


class NoSynonyms:
    """A lexicon without an entry, in place of WordNet."""

    def synsets(self, word: str) -> list[Any]:
        """No meanings."""
        return []


@dataclass(kw_only=True)
class Meteor(Metric):
    """nltk's METEOR (2007): unigrams match by form, by stem, and by WordNet if given; best reference, mean over rows.

    F with α = 0.9, minus 0.5·(chunks/matches)³; therefore equal texts have a little less than 1 (0.9977 at 6 tokens).
    `wordnet=DIR` names a folder of nltk data that has corpora/wordnet.
    """

    name: ClassVar[str] = "meteor-nltk"
    primary: ClassVar[str] = "meteor_nltk"
    primary_sums: ClassVar[tuple[str, ...]] = ("score", "count")
    tokenizer: TokenizerName = "mixed"
    wordnet: str = ""

    @cached_property
    def lexicon(self) -> Any:
        """The source of synonyms. Raises UserError if the folder has no WordNet."""
        if not self.wordnet:
            return NoSynonyms()
        # nltk reads only files in folders that it knows, and it reads the list of folders at its import.
        os.environ["NLTK_DATA"] = os.pathsep.join(filter(None, [self.wordnet, os.environ.get("NLTK_DATA")]))
        import nltk
        from nltk.corpus import wordnet

        nltk.data.path.insert(0, self.wordnet)
        try:
            wordnet.ensure_loaded()
        except LookupError:
            raise UserError(
                f"meteor-nltk: wordnet: {self.wordnet}: expected nltk data with corpora/wordnet in it, found none\n"
                f"hint: python -m nltk.downloader -d {self.wordnet} wordnet"
            ) from None
        return wordnet

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """The score of one row."""
        references = references_of(row)
        if not references:
            return None
        answer = answer_of(row)
        require("nltk", "--metric meteor-nltk", "nltk>=3.9")
        lexicon = self.lexicon
        from nltk.translate.meteor_score import meteor_score

        tokens = [words_of(text, self.tokenizer) for text in references]
        predicted = words_of(answer or "", self.tokenizer)
        score = float(meteor_score(tokens, predicted, wordnet=lexicon))
        return {"score": score, "count": 1, **unread(row, answer)}

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """The mean over rows."""
        return {"meteor_nltk": ratio(sums["score"], sums["count"])}

    def signature_parts(self) -> dict[str, str]:
        """Tokenizer, stages of matching, parameters, and nltk's version."""
        import nltk

        stages = "exact+stem" + ("+wordnet" if self.wordnet else "")
        parameters = {"alpha": "0.9", "beta": "3", "gamma": "0.5", "ref": "max"}
        return {"tok": self.tokenizer, "match": stages, **parameters, "version": nltk.__version__}
