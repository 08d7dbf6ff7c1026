"""Make labelled claims from documents: sentences as they are, with one thing changed, or without their evidence.

Usage: python changed_claims.py [--wordnet DIR] COUNT FILE.txt …

Each line of a file is a document. Writes records of evidence, claim and label to stdout, for `sft prep --verifier`.
With the files of WordNet (wordnet.py), claims are also told in other words, and changed by opposites and by sisters: a
verifier learns that a synonym changes nothing. The idea: Kryściński et al. 2020, Evaluating the Factual Consistency of
Abstractive Text Summarization (arXiv 1910.12840), section 3.1; English only.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

from wordnet import WordNet

WORD = re.compile(r"[A-Za-z][A-Za-z'-]+|\d[\d.,]*\d|\d")
SENTENCE_END = re.compile(r"(?<=[a-z)\d][.!?])\s+(?=[A-Z])")
PHRASE = re.compile(r"\b((?:with|for|in|by|after|before|during|because|while|to) (?:\w+[ -]){2,6}\w+)[.,]?")
AUXILIARY = re.compile(r"\b(is|are|was|were|can|could|will|would|should|may|has|have|had|does|did|do)\b( not\b)?")
OPENING = re.compile(r"^(?:However|Moreover|Furthermore|Therefore|Thus|In addition|Here|In contrast),?\s+(\w)")
ENDINGS = (
    "ing",
    "ed",
    "tion",
    "ions",
    "ly",
    "ity",
    "ment",
    "ness",
    "ous",
    "al",
    "ive",
    "able",
    "er",
    "ers",
    "es",
    "s",
    "e",
)
PAIRS = """
increase decrease|increased decreased|increases decreases|higher lower|high low|more less|greater smaller|large small
before after|early late|first last|positive negative|up down|improve worsen|improved worsened|better worse|best worst
strong weak|inside outside|male female|men women|young old|long short|active inactive|presence absence|accept reject
accepted rejected|always never|success failure|fast slow|same different|similar different|public private|new old
many few|all some|most few|upper lower|internal external|promotes inhibits|activation inhibition|gain loss|raise reduce
raised reduced|common rare|major minor|north south|east west|northern southern|eastern western|won lost|bought sold
open closed|began ended|rich poor|safe dangerous|simple complex|easy difficult|possible impossible|likely unlikely
left right|day night|mother father|brother sister|son daughter|cheap expensive|happy sad|loves hates|with without
""".replace("\n", "|").split("|")
OPPOSITES = {old: new for pair in PAIRS if pair for old, new in (pair.split(), pair.split()[::-1])}
SHORT = 4  # characters; shorter words are no content


def sentences_of(document: str) -> list[str]:
    """The sentences of 5 to 45 words."""
    return [each for each in SENTENCE_END.split(" ".join(document.split())) if 5 <= len(each.split()) <= 45]


def ending_of(word: str) -> str:
    """The first of the endings that a word has: words of one ending can often take each other's place."""
    return next((each for each in ENDINGS if word.endswith(each) and len(word) > len(each) + 2), "")


class Changer:
    """Changes one thing in a sentence; each change gives None if the sentence has nothing of its kind."""

    def __init__(self, sentences: list[str], generator: random.Random, wordnet: str | None) -> None:
        self.random = generator
        counts = Counter(match[0] for sentence in sentences for match in WORD.finditer(sentence))
        self.words: dict[str, list[str]] = defaultdict(list)
        for word, count in counts.items():
            if count > 2 and word.islower() and len(word) >= SHORT:
                self.words[ending_of(word)] += [word] * min(count, 20)
        self.names = [word for word in counts if word[0].isupper() and word[1:].islower()]
        self.changes: list[Callable[[str, list[str]], str | None]] = [
            *(self.word, self.word, self.name, self.name, self.opposite, self.opposite),
            *(self.number, self.negation, self.swap),
        ]
        self.wordnet = None
        if wordnet is not None:
            common = {word: count for word, count in counts.items() if word.islower() and count > 2}
            self.wordnet = WordNet(wordnet, common)
            self.changes += [self.antonym, self.antonym, self.sister, self.sister, self.phrase]

    def word(self, sentence: str, near: list[str]) -> str | None:
        """Another word of the same ending, from the document or from anywhere."""
        matches = [each for each in WORD.finditer(sentence) if each[0].islower() and len(each[0]) >= SHORT]
        if not matches:
            return None
        old = self.random.choice(matches)
        ending = ending_of(old[0])
        close = [each for each in near if each.islower() and ending_of(each) == ending and len(each) >= SHORT]
        new = self.random.choice(close if close and self.random.random() < 0.4 else self.words[ending] or [old[0]])
        return None if new[:SHORT] == old[0][:SHORT] else _replaced(sentence, old, new)

    def name(self, sentence: str, near: list[str]) -> str | None:
        """Another name, of the document or of anywhere."""
        matches = [
            each for each in WORD.finditer(sentence) if each[0][0].isupper() and each.start() and len(each[0]) > 2
        ]
        close = [each for each in near if each[0].isupper() and len(each) > 2]
        if not matches or not self.names:
            return None
        old = self.random.choice(matches)
        new = self.random.choice(close if close and self.random.random() < 0.6 else self.names)
        return None if new == old[0] else _replaced(sentence, old, new)

    def number(self, sentence: str, near: list[str]) -> str | None:
        """Another digit in a number."""
        places = [place for place, letter in enumerate(sentence) if letter.isdigit()]
        if not places:
            return None
        place = self.random.choice(places)
        digit = self.random.choice([each for each in "123456789" if each != sentence[place]])
        return sentence[:place] + digit + sentence[place + 1 :]

    def opposite(self, sentence: str, near: list[str]) -> str | None:
        """The opposite of a word."""
        matches = [each for each in WORD.finditer(sentence) if each[0].lower() in OPPOSITES]
        if not matches:
            return None
        old = self.random.choice(matches)
        return _replaced(sentence, old, OPPOSITES[old[0].lower()])

    def in_other_words(self, sentence: str) -> str:
        """With up to four words replaced by synonyms."""
        for _ in range(self.random.choice((1, 1, 2, 2, 3, 4))):
            sentence = self._by_wordnet(sentence, "synonyms") or sentence
        return sentence

    def antonym(self, sentence: str, near: list[str]) -> str | None:
        """WordNet's opposite of a word."""
        return self._by_wordnet(sentence, "opposites")

    def sister(self, sentence: str, near: list[str]) -> str | None:
        """Another thing of the same kind."""
        return self._by_wordnet(sentence, "sisters")

    def phrase(self, sentence: str, near: list[str]) -> str | None:
        """Two words that follow one another replaced by others of the same endings."""
        pairs = list(re.finditer(r"\b([a-z]{4,}) ([a-z]{4,})\b", sentence))
        if not pairs:
            return None
        old = self.random.choice(pairs)
        return _replaced(
            sentence, old, " ".join(self.random.choice(self.words[ending_of(each)] or [each]) for each in old.groups())
        )

    def _by_wordnet(self, sentence: str, relation: str) -> str | None:
        """The first of the words, in random order, that has a related word is replaced by one."""
        if self.wordnet is None:
            return None
        matches = [each for each in WORD.finditer(sentence) if each[0].islower() and len(each[0]) >= SHORT]
        self.random.shuffle(matches)
        for old in matches:
            related = getattr(self.wordnet, relation)(old[0])
            if related:
                return _replaced(sentence, old, self.random.choice(related))
        return None

    def negation(self, sentence: str, near: list[str]) -> str | None:
        """With `not`, or without it."""
        match = AUXILIARY.search(sentence)
        if match is None:
            return None
        new = match[1] if match[2] else f"{match[1]} not"
        return sentence[: match.start()] + new + sentence[match.end() :]

    def swap(self, sentence: str, near: list[str]) -> str | None:
        """Two names in each other's place."""
        matches = [each for each in WORD.finditer(sentence) if each[0][0].isupper() and len(each[0]) > 2]
        if len(matches) < 2:
            return None
        first, second = sorted(self.random.sample(matches, 2), key=re.Match.start)
        between = sentence[first.end() : second.start()]
        return sentence[: first.start()] + second[0] + between + first[0] + sentence[second.end() :]

    def shorter(self, sentence: str) -> str:
        """The same claim in fewer words: without brackets, an opening word, and sometimes a last clause."""
        text = re.sub(r"\s*\([^()]*\)", "", sentence)
        parts = re.split(r",\s+(?=and |but |which |who |while )|;\s+", text)
        if len(parts) > 1 and len(parts[0].split()) > 5 and self.random.random() < 0.6:
            text = parts[0].rstrip(".") + "."
        text = OPENING.sub(lambda match: match[1].upper(), text)
        return re.sub(r"^We\b", lambda _: self.random.choice(["The authors", "They", "We"]), text)


def _replaced(text: str, old: re.Match[str], new: str) -> str:
    new = new[0].upper() + new[1:] if old[0][0].isupper() else new
    return text[: old.start()] + new + text[old.end() :]


def claim_of(document: list[str], every: list[str], changer: Changer) -> tuple[str, str, str] | None:
    """(evidence, claim, label), or None if the chosen sentence cannot be changed in the chosen way."""
    generator = changer.random
    size = generator.randint(1, min(4, len(document)))
    start = generator.randrange(len(document) - size + 1)
    window = document[start : start + size]
    sentence = generator.choice(window)
    claim = changer.shorter(sentence) if generator.random() < 0.7 else sentence
    if generator.random() < 0.2 and (other := generator.choice(window)) != sentence:
        claim = f"{claim} {changer.shorter(other)}"
    if changer.wordnet is not None and generator.random() < 0.7:
        claim = changer.in_other_words(claim)
    evidence, kind = " ".join(window), generator.random()
    if kind < 0.4:
        return evidence, claim, "supported"
    if kind < 0.5:
        rest = [each for each in document[max(0, start - 2) : start + size + 2] if each != sentence]
        return " ".join(rest[:6]), changer.shorter(sentence), "not stated"
    if kind < 0.6:
        phrase = PHRASE.search(generator.choice(every))
        return (evidence, f"{claim.rstrip(' .')} {phrase[1]}.", "not stated") if phrase else None
    near = [match[0] for each in window for match in WORD.finditer(each)]
    changed = generator.choice(changer.changes)(claim, near)
    return (evidence, changed, "contradicted") if changed and changed != claim else None


def main() -> None:
    """Print as many records as asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("count", type=int)
    parser.add_argument("files", nargs="+", metavar="FILE.txt")
    parser.add_argument("--wordnet", metavar="DIR", help="folder with the files of WordNet")
    given = parser.parse_args()
    generator = random.Random(0)
    lines = [line for path in given.files for line in Path(path).read_text(encoding="utf-8").splitlines()]
    documents = [sentences for line in lines if len(sentences := sentences_of(line)) > 3]
    every = [sentence for document in documents for sentence in document]
    changer = Changer(every, generator, given.wordnet)
    made = 0
    while made < given.count:
        record = claim_of(generator.choice(documents), every, changer)
        if record is not None:
            made += 1
            print(json.dumps(dict(zip(("evidence", "claim", "label"), record, strict=True)), ensure_ascii=False))


if __name__ == "__main__":
    main()
