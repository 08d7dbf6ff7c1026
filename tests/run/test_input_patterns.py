"""Patterns of file names in quotes: their files, sorted; a pattern without files is an error."""

import pytest

from sft_cli.run.errors import UserError
from sft_cli.run.patterns import matching


def test_a_pattern_means_its_files_in_order(here):
    for name in ("b.jsonl", "a.jsonl", "a.jsonl.meta.json", "c.txt", "[x].jsonl"):
        (here / name).write_text("{}")
    (here / "sub").mkdir()
    (here / "sub" / "d.jsonl").write_text("{}")
    assert matching("*.jsonl") == ["[x].jsonl", "a.jsonl", "b.jsonl"]
    assert matching("a*") == ["a.jsonl"]  # without the manifest
    assert matching("**/*.jsonl") == ["[x].jsonl", "a.jsonl", "b.jsonl", "sub/d.jsonl"]
    assert matching("[ab].jsonl") == ["a.jsonl", "b.jsonl"]
    assert matching("[x].jsonl") == ["[x].jsonl"]  # the name of a file
    assert matching("none.jsonl") == ["none.jsonl"]  # no pattern: the reader says that it is missing
    assert matching("-") == ["-"]
    with pytest.raises(UserError, match=r"z\*\.jsonl: no file matches\nhint: \* means any name"):
        matching("z*.jsonl")


def test_an_output_that_a_pattern_matches_is_refused(sft, here):
    for name in "ab":
        (here / f"{name}.jsonl").write_text('{"text": "x"}\n')
    assert sft("prep", "*.jsonl", "-o", "rows.jsonl").code == 0
    result = sft("prep", "*.jsonl", "-o", "rows.jsonl", "--force")
    assert (result.code, result.err) == (2, "sft prep: --out: rows.jsonl: is one of the inputs\n")
