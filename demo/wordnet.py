"""Synonyms, opposites and sisters of English words from the files of WordNet, in the forms that a corpus has.

Reads the folder of WordNet's own files (`apt install wordnet-base` puts them into /usr/share/wordnet). Format: the
manual page wndb(5). Only the most frequent senses of a word are used: rare ones make sentences that nobody would write.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
ENDINGS = {  # (ending, what the lemma has in its place, name of the form)
    "n": (("ies", "y", "s"), ("es", "", "s"), ("s", "", "s")),
    "v": (
        *(("ies", "y", "s"), ("es", "e", "s"), ("es", "", "s"), ("s", "", "s")),
        *(("ed", "e", "ed"), ("ed", "", "ed"), ("ing", "e", "ing"), ("ing", "", "ing")),
    ),
    "a": (("er", "", "er"), ("er", "e", "er"), ("est", "", "est"), ("est", "e", "est")),
    "r": (),
}
IRREGULAR = {"n": "s", "v": "ed", "a": "er", "r": ""}  # the form that an irregular word is most often
SYNONYM_SENSES, OPPOSITE_SENSES = 2, 3  # how many of the most frequent senses of a word are used
SAME_BEGINNING = 5  # letters: words that share more are forms of one another


class Pointer(NamedTuple):
    """From a synset (one of its words, from 1; 0 is all) to another: ! opposite, & similar, @ above, ~ below."""

    symbol: str
    target: str
    own_word: int
    target_word: int


class WordNet:
    """WordNet, and the forms of its words in a vocabulary: {word in lower case: how often}."""

    def __init__(self, folder: str, vocabulary: Mapping[str, int]) -> None:
        self.senses: dict[tuple[str, str], list[str]] = {}
        self.words: dict[str, list[str]] = {}
        self.pointers: dict[str, list[Pointer]] = {}
        self.exceptions: dict[tuple[str, str], str] = {}
        for part, letter in PARTS.items():
            self._read(Path(folder), part, letter)
        self.forms: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        for word, _ in sorted(vocabulary.items(), key=lambda entry: (entry[1], entry[0])):
            for lemma, letter, form in self._lemmas(word):
                self.forms[lemma, letter][form] = word  # the most frequent one stays

    def synonyms(self, word: str) -> list[str]:
        """Words that mean the same in a frequent sense of both, in the same form."""
        found = set()
        for lemma, letter, form in self._lemmas(word):
            for sense in self.senses[lemma, letter][:SYNONYM_SENSES]:
                found |= {self._form(other, letter, form) for other in self._frequent(sense, letter, SYNONYM_SENSES)}
                for pointer in self.pointers[sense]:
                    if pointer.symbol == "&":
                        found |= {self._form(near, letter, form) for near in self._frequent(pointer.target, letter, 1)}
        return _others(found, word)

    def opposites(self, word: str) -> list[str]:
        """Antonyms, also those of an adjective that means nearly the same."""
        found = set()
        for lemma, letter, form in self._lemmas(word):
            for sense in self.senses[lemma, letter][:OPPOSITE_SENSES]:
                place = self.words[sense].index(lemma) + 1 if lemma in self.words[sense] else 0
                heads = [pointer.target for pointer in self.pointers[sense] if pointer.symbol == "&"]
                pointers = [each for each in self.pointers[sense] if each.own_word == place]
                pointers += [each for head in heads for each in self.pointers[head]]
                found |= {
                    self._form(self.words[each.target][each.target_word - 1], letter, form)
                    for each in pointers
                    if each.symbol == "!"
                }
        return sorted(found - {"", word})

    def sisters(self, word: str) -> list[str]:
        """Nouns of the same kind, such as another organ, another animal."""
        found = set()
        for lemma, letter, form in self._lemmas(word):
            if letter == "n":
                sense = self.senses[lemma, letter][0]
                kinds = [each.target for each in self.pointers[sense] if each.symbol == "@"]
                for each in (each for kind in kinds for each in self.pointers[kind]):
                    if each.symbol == "~" and each.target != sense:
                        first = [name for name in self._frequent(each.target, letter, 1)[:1] if name != lemma]
                        found |= {self._form(name, letter, form) for name in first}
        return _others(found, word)

    def _frequent(self, sense: str, letter: str, most: int) -> list[str]:
        """The words of a synset for which it is one of the most frequent senses."""
        return [word for word in self.words[sense] if sense in self.senses.get((word, letter), [])[:most]]

    def _form(self, lemma: str, letter: str, form: str) -> str:
        """The word of the vocabulary in this form; empty if it has none."""
        return self.forms.get((lemma, letter), {}).get(form, "")

    def _lemmas(self, word: str) -> list[tuple[str, str, str]]:
        """(lemma, part of speech, name of the form) of a word."""
        found = []
        for letter, endings in ENDINGS.items():
            if (word, letter) in self.exceptions:
                lemma, form = self.exceptions[word, letter], IRREGULAR[letter]
            else:
                lemma, form = self._regular(word, letter, (("", "", ""), *endings))
            if (lemma, letter) in self.senses:
                found.append((lemma, letter, form))
        return found

    def _regular(self, word: str, letter: str, endings: tuple[tuple[str, str, str], ...]) -> tuple[str, str]:
        for ending, instead, form in endings:
            if word.endswith(ending) and len(word) > len(ending) + 2:
                stem = word[: len(word) - len(ending)]
                is_doubled = ending in ("ed", "ing", "er", "est") and stem[-1] == stem[-2]  # stopped → stop
                for lemma in (stem + instead, stem[:-1] if is_doubled else ""):
                    if (lemma, letter) in self.senses:
                        return lemma, form
        return "", ""

    def _read(self, folder: Path, part: str, letter: str) -> None:
        for line in _lines(folder / f"data.{part}"):
            fields = line.partition(" | ")[0].split()
            count = int(fields[3], 16)
            sense, after = letter + fields[0], 4 + 2 * count
            self.words[sense] = [re.sub(r"\(.*\)$", "", fields[4 + 2 * place]).lower() for place in range(count)]
            pointers = [fields[after + 1 + 4 * place :][:4] for place in range(int(fields[after]))]
            self.pointers[sense] = [
                Pointer(symbol, kind.replace("s", "a") + target, int(words[:2], 16), int(words[2:], 16))
                for symbol, target, kind, words in pointers
            ]
        for line in _lines(folder / f"index.{part}"):
            fields = line.split()
            self.senses[fields[0], letter] = [letter + place for place in fields[-int(fields[2]) :]]
        for line in _lines(folder / f"{part}.exc"):
            word, lemma, *_ = line.split()
            self.exceptions[word, letter] = lemma


def _lines(path: Path) -> list[str]:
    """The lines of a file, without the licence at its beginning."""
    return [line for line in path.read_text(encoding="latin-1").splitlines() if line and not line.startswith("  ")]


def _others(found: set[str], word: str) -> list[str]:
    return sorted(each for each in found if each and each[:SAME_BEGINNING] != word[:SAME_BEGINNING])
