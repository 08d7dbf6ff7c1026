"""demo/wordnet.py reads the files of WordNet; here a few lines in their format (the manual page wndb(5))."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("wordnet", Path(__file__).parent.parent / "demo" / "wordnet.py")
assert SPEC is not None
assert SPEC.loader is not None
wordnet = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(wordnet)

LICENCE = "  1 This software is licensed to you.\n"
FILES = {
    "data.noun": "00000001 05 n 01 animal 0 002 ~ 00000002 n 0000 ~ 00000003 n 0000 | a living thing\n"
    "00000002 05 n 01 cat 0 001 @ 00000001 n 0000 | it purrs\n"
    "00000003 05 n 02 dog 0 hound 0 001 @ 00000001 n 0000 | it barks\n",
    "index.noun": "animal n 1 1 ~ 1 1 00000001\ncat n 1 1 @ 1 1 00000002\ndog n 1 1 @ 1 1 00000003\n"
    "hound n 1 1 @ 1 0 00000003\n",
    "noun.exc": "oxen ox\n",
    "data.verb": "00000004 38 v 02 stop 0 halt 0 001 ! 00000005 v 0101 01 + 02 00 | come to an end\n"
    "00000005 38 v 01 start 0 001 ! 00000004 v 0101 01 + 02 00 | begin\n",
    "index.verb": "stop v 1 1 ! 1 1 00000004\nhalt v 1 0 1 0 00000004\nstart v 1 1 ! 1 1 00000005\n",
    "verb.exc": "",
    "data.adj": "00000006 00 a 01 large 0 002 ! 00000007 a 0101 & 00000008 a 0000 | of size\n"
    "00000007 00 a 01 small 0 001 ! 00000006 a 0101 | of little size\n"
    "00000008 00 s 02 huge 0 vast(p) 0 001 & 00000006 a 0000 | very large\n",
    "index.adj": "large a 1 2 ! & 1 1 00000006\nsmall a 1 1 ! 1 1 00000007\nhuge a 1 1 & 1 1 00000008\n"
    "vast a 1 1 & 1 0 00000008\n",
    "adj.exc": "",
    "data.adv": "",
    "index.adv": "",
    "adv.exc": "",
}
WORDS = "animals cats cat dogs hounds hound stopped halted started stops large small huge vast"


@pytest.fixture
def lexicon(tmp_path: Path) -> object:
    for name, text in FILES.items():
        (tmp_path / name).write_text(LICENCE + text if name[:4] != "verb" else text, encoding="latin-1")
    return wordnet.WordNet(str(tmp_path), dict.fromkeys(WORDS.split(), 1))


@pytest.mark.parametrize(
    ("relation", "word", "expected"),
    [
        ("synonyms", "dogs", ["hounds"]),
        ("synonyms", "stopped", ["halted"]),
        ("synonyms", "huge", ["large", "vast"]),
        ("synonyms", "halts", ["stops"]),
        ("synonyms", "started", []),
        ("opposites", "stopped", ["started"]),
        ("opposites", "huge", ["small"]),
        ("opposites", "cat", []),
        ("sisters", "cats", ["dogs"]),
        ("sisters", "unknown", []),
    ],
)
def test_related_words_have_the_form_of_the_word(
    lexicon: object, relation: str, word: str, expected: list[str]
) -> None:
    assert getattr(lexicon, relation)(word) == expected
