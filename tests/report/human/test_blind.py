"""What a page shows, and what it hides."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged_pages import prompts_of

from sft_cli.report.human.blind import blind_document, repeated_places, showings, system_labels
from sft_cli.report.human.blind_page import blind_html
from sft_cli.report.human.criteria import OVERALL, Criterion, RaterTask
from sft_cli.report.inert_html import inert_page_json

TASK = RaterTask("", [Criterion(OVERALL)])


def test_sides_depend_on_the_seed_and_the_row_and_nearly_balance() -> None:
    prompts = prompts_of(400)
    one, again, other = (showings(prompts, seed, 0.0) for seed in (1, 1, 2))
    assert one == again
    sides = {row.prompt.id: row.systems for row in one}
    assert sides != {row.prompt.id: row.systems for row in other}
    assert 150 < sum(systems == [0, 1] for systems in sides.values()) < 250


@given(rows=st.integers(1, 60), share=st.floats(0, 0.5))
def test_repeats_come_later_with_the_sides_exchanged(rows: int, share: float) -> None:
    shown = showings(prompts_of(rows), 0, share)
    repeats = [(place, row) for place, row in enumerate(shown) if row.is_repeat]
    assert len(shown) == rows + len(repeats)
    assert len(repeats) >= (1 if share and rows >= 10 else 0)
    for place, row in repeats:
        first = next(at for at, each in enumerate(shown) if each.prompt is row.prompt)
        assert place - first > rows // 2 - 1
        assert row.systems == shown[first].systems[::-1]
        assert not set(row.codes) & set(shown[first].codes)
    assert sorted({row.prompt.id for row in shown}) == sorted(f"q{row}" for row in range(rows))


def test_five_percent_of_rows_are_repeated_and_one_of_ten() -> None:
    assert [len(repeated_places(rows, 0.05)) for rows in (1, 9, 10, 40, 200)] == [0, 0, 1, 2, 10]
    assert repeated_places(100, 0.0) == []


@given(text=st.text() | st.sampled_from(["</script>", "<!--", "\u2028", "\ud800", "&lt;"]))
def test_json_in_a_script_element_cannot_end_it(text: str) -> None:
    written = inert_page_json({text: [text]})
    assert not set(written) & set("<>&\u2028\u2029")
    written.encode("utf-8")
    assert json.loads(written) == {text: [text]}


def test_the_page_allows_only_its_own_script_and_style() -> None:
    page = blind_html(blind_document(showings(prompts_of(3), 0, 0.0), TASK, "en"))
    assert "default-src 'none'" in page
    assert page.count("sha256-") == 2
    assert not any(word in page for word in ("http://", "https://", "src=", "unsafe-inline", "@import", "url("))


def test_both_languages_have_the_same_words() -> None:
    import sft_cli.report.human.blind_page as module

    words = json.loads((module.PAGE_PARTS / "words.json").read_text(encoding="utf-8"))
    assert list(words["en"]) == list(words["zh"])
    for name, text in words["en"].items():
        holes = {part.split("}")[0] for part in text.split("{")[1:]}
        assert holes == {part.split("}")[0] for part in words["zh"][name].split("{")[1:]}, name


def test_the_page_hash_depends_on_what_is_shown() -> None:
    def page(seed: int) -> Any:
        return blind_document(showings(prompts_of(3), seed, 0.0), TASK, "en")["page"]

    assert page(0) == page(0) != page(1)


def test_labels_are_the_names_of_the_files() -> None:
    assert system_labels(["out/base.gen.jsonl", "out/tuned.gen.jsonl"]) == ["base", "tuned"]
    assert system_labels(["a/x.gen.jsonl", "b/x.gen.jsonl"]) == ["a/x", "b/x"]
    assert system_labels(["x.gen.jsonl", "x.jsonl"]) == ["x.gen", "x"]


GOOD = '{"id": "q0", "messages": [{"role": "user", "content": "a"}], "completion": "x"}\n'
BAD_ROWS = {
    "no completion": (
        '{"id": "q0", "messages": [{"role": "user", "content": "a"}]}',
        "b.jsonl:1: completion: expected",
    ),
    "no id": (GOOD.replace('"id": "q0", ', ""), "b.jsonl:1: id: expected text, got null"),
    "a sample": (GOOD.replace('"id"', '"sample": "1", "id"'), 'b.jsonl:1: sample: expected a number, got "1"'),
    "no prompt": ('{"id": "q0", "completion": "x"}', "b.jsonl:1: messages: expected a list"),
    "no JSON": ("{", "b.jsonl:1: expected a JSON object"),
    "twice": (GOOD * 2, 'b.jsonl:2: id: "q0", sample 0 is already at b.jsonl:1'),
    "another question": (GOOD.replace('"a"', '"b"'), "b.jsonl:1: messages: this question differs from a.jsonl:1"),
    "other ids": (GOOD.replace("q0", "q1"), "no row is in all 2 files"),
    "nothing": ("", "b.jsonl: no rows"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_generations_that_do_not_fit_are_one_clear_line(name: str, here: Path, sft: Any) -> None:
    text, message = BAD_ROWS[name]
    (here / "a.jsonl").write_text(GOOD, encoding="utf-8")
    (here / "b.jsonl").write_text(text, encoding="utf-8")
    result = sft("compare", "a.jsonl", "b.jsonl", "--blind-page", "p.html", "--key", "k.json")
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert "hint:" in result.err or name == "twice"
    assert not (here / "p.html").exists()


def test_rows_of_one_file_only_and_failed_rows_are_reported(here: Path, sft: Any) -> None:
    failed = GOOD.replace('"q0"', '"q1"').replace('"x"', "null")
    (here / "a.jsonl").write_text(GOOD + failed + GOOD.replace("q0", "q2"), encoding="utf-8")
    (here / "b.jsonl").write_text(GOOD + failed, encoding="utf-8")
    result = sft("compare", "a.jsonl", "b.jsonl", "--blind-page", "p.html", "--key", "k.json")
    assert result.code == 0
    assert "warning: a.jsonl: 1 row left out: not in every file\n" in result.err
    assert "warning: b.jsonl: 1 failed row, shown as “no answer”\n" in result.err


def test_system_turns_that_differ_are_not_shown_and_other_words_are_reported(here: Path, sft: Any) -> None:
    def row(name: str, content: str, system: str = "", **more: Any) -> str:
        turns = [{"role": "system", "content": system}] if system else []
        turns.append({"role": "user", "content": content})
        return json.dumps({"id": name, "messages": turns, "completion": "x", **more}) + "\n"

    words = {"prompt_hash": "00000000000000aa"}
    (here / "a.jsonl").write_text(row("q0", "a", "Be kind.") + row("q1", "b", **words), encoding="utf-8")
    (here / "b.jsonl").write_text(row("q0", "a", "Be brief.") + row("q1", "Answer: b", **words), encoding="utf-8")
    result = sft("compare", "a.jsonl", "b.jsonl", "--blind-page", "p.html", "--key", "k.json")
    assert result.code == 0
    assert "warning: 1 row whose system turns differ between the files; the page shows no system turns\n" in result.err
    assert (
        "warning: 1 row whose prompt differs between the files (a template or examples); the page shows the "
        "prompt of a."
    ) in result.err
    page = (here / "p.html").read_text(encoding="utf-8")
    assert not any(text in page for text in ("Be kind.", "Be brief.", "Answer: b"))


def test_two_of_many_systems_are_shown_and_each_pair_as_often() -> None:
    shown = showings(prompts_of(30, 4), 0, 0.1, shows_pairs=True)
    pairs = Counter(tuple(sorted(row.systems)) for row in shown if not row.is_repeat)
    assert sorted(pairs.items()) == [(pair, 5) for pair in combinations(range(4), 2)]
    assert sum(row.is_repeat for row in shown) == 3
    for row in shown:
        assert len(row.codes) == 2


BAD_FLAGS = {
    "no key": (["--blind-page", "p.html"], "--key: --blind-page needs the file that names the systems"),
    "both": (["--blind-page", "p.html", "--ratings"], "--blind-page, --ratings: expected only one of them"),
    "a metric": (
        ["--blind-page", "p.html", "--key", "k", "--metric", "bleu"],
        "--metric: has no effect with --blind-page",
    ),
    "out": (["--blind-page", "p.html", "--key", "k", "-o", "x"], "--out: has no effect with --blind-page"),
    "json": (["--blind-page", "p.html", "--key", "k", "--json"], "--json: has no effect with --blind-page"),
    "stdout": (["--blind-page", "-", "--key", "k"], "--blind-page: expected a file, got stdout"),
    "one file": (["--blind-page", "p", "--key", "p"], "--blind-page, --key: expected two files, got p for both"),
    "an input": (["--blind-page", "a.jsonl", "--key", "k", "--force"], "--blind-page: a.jsonl: not replaced"),
    "no rows": (["--blind-page", "p", "--key", "k", "--limit", "0"], "--limit: expected at least 1 with --blind-page"),
    "pairs of two": (
        ["--blind-page", "p", "--key", "k", "--page-pairs"],
        "--page-pairs: has an effect only with three or more",
    ),
    "pairs alone": (["--page-pairs"], "--page-pairs: has an effect only with --blind-page"),
    "a key alone": (["--key", "k.json"], "--key: has an effect only with --blind-page or --ratings"),
    "repeats alone": (["--repeats", "0.1"], "--repeats: has an effect only with --blind-page"),
    "ratings": (["--ratings", "--key", "k.json", "--seed", "1", "--by", "x"], "--by: has no effect with --ratings"),
    "no key for ratings": (["--ratings"], "--key: --ratings needs the file that names the systems"),
}


@pytest.mark.parametrize("name", BAD_FLAGS)
def test_flags_that_do_not_go_together(name: str, here: Path, sft: Any) -> None:
    for file in ("a.jsonl", "b.jsonl"):
        (here / file).write_text(GOOD, encoding="utf-8")
    words, message = BAD_FLAGS[name]
    result = sft("compare", "a.jsonl", "b.jsonl", *words)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_an_existing_page_or_key_stays_without_force(here: Path, sft: Any) -> None:
    (here / "a.jsonl").write_text(GOOD, encoding="utf-8")
    words = ("compare", "a.jsonl", "--blind-page", "p.html", "--key", "k.json")
    assert sft(*words).code == 0
    before = (here / "p.html").read_bytes(), (here / "k.json").read_bytes()
    (here / "p.html").unlink()
    assert "k.json: already exists" in sft(*words).err
    assert not (here / "p.html").exists()  # a page without its key helps nobody
    assert sft(*words, "--force").code == 0
    assert before == ((here / "p.html").read_bytes(), (here / "k.json").read_bytes())


def test_the_manifest_of_the_key_names_the_inputs_and_the_page_has_none(here: Path, sft: Any) -> None:
    (here / "a.jsonl").write_text(GOOD, encoding="utf-8")
    words = ("compare", "a.jsonl", "--blind-page", "p.html", "--key", "k.json", "--force")
    found = []
    for _ in range(2):
        assert sft(*words).code == 0
        found.append(json.loads((here / "k.json.meta.json").read_text(encoding="utf-8")))
    assert [entry["path"] for entry in found[0]["inputs"]] == ["a.jsonl"]
    assert [entry["path"] for entry in found[0]["outputs"]] == ["k.json"]
    assert found[0]["fingerprint"] == found[1]["fingerprint"]
    assert not (here / "p.html.meta.json").exists()  # it would be mailed with the page, and name the systems


BAD_CRITERIA = {
    "json": ("c.json", "[\n{", "c.json:2: not JSON:"),
    "toml": ("c.toml", "criteria = [", "c.toml: not TOML:"),
    "a number": ("c.json", "3", "c.json: expected a list of criteria, or an object with criteria, got 3"),
    "a key": ("c.json", '{"criterion": []}', "c.json: criterion: expected one of instructions, criteria. Did you mean"),
    "instructions": ("c.json", '{"instructions": 1}', "c.json: instructions: expected text, got 1"),
    "criteria": ("c.json", '{"criteria": 1}', "c.json: criteria: expected a list, got 1"),
    "an entry": ("c.json", '["x"]', 'c.json: criteria[0]: expected an object with a name, got "x"'),
    "a field": (
        "c.json",
        '[{"nam": "x"}]',
        "c.json: criteria[0].nam: expected one of name, question, guideline, scale.",
    ),
    "no name": ("c.json", '[{"question": "x"}]', "c.json: criteria[0].name: expected text, got null"),
    "a type": ("c.json", '[{"name": "x", "scale": 5}]', "c.json: criteria[0].scale: expected text, got 5"),
    "twice": ("c.json", '[{"name": "x"}, {"name": "x"}]', "c.json: criteria: expected each name once, got 'x' 2 times"),
    "a scale": (
        "c.json",
        '[{"name": "x", "scale": "1-5"}]',
        "c.json: criteria[0].scale: expected choice, the only scale",
    ),
    "no file": ("c.json", None, "--criteria: c.json: cannot read: No such file or directory"),
}


@pytest.mark.parametrize("name", BAD_CRITERIA)
def test_criteria_that_do_not_fit_are_one_clear_line(name: str, here: Path, sft: Any) -> None:
    for file in ("a.jsonl", "b.jsonl"):
        (here / file).write_text(GOOD, encoding="utf-8")
    file, text, message = BAD_CRITERIA[name]
    if text is not None:
        (here / file).write_text(text, encoding="utf-8")
    words = ("--blind-page", "p.html", "--key", "k.json", "--criteria", file)
    result = sft("compare", "a.jsonl", "b.jsonl", *words)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


@pytest.mark.parametrize("scale", ["5-1", "1-11", "1", "good-bad", "choice"])
def test_a_scale_of_one_system_has_at_most_ten_numbers(scale: str, here: Path, sft: Any) -> None:
    (here / "a.jsonl").write_text(GOOD, encoding="utf-8")
    (here / "c.json").write_text(json.dumps([{"name": "overall", "scale": scale}]), encoding="utf-8")
    result = sft("compare", "a.jsonl", "--blind-page", "p.html", "--key", "k.json", "--criteria", "c.json")
    assert result.code == 2
    assert (
        f'c.json: criteria[0].scale: expected yes-no or a scale of at most 10 numbers such as 1-5, got "{scale}"'
        in (result.err)
    )
