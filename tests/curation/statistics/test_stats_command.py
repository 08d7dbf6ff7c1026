"""`sft prep --stats`: what is bad for training, that the commands to try help, the page, and what is refused."""

from __future__ import annotations

import html
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from browser import OpenPage

from sft_cli.curation.statistics.bounds import DATA_BOUNDS
from sft_cli.curation.statistics.sample import AnswerSample
from sft_cli.report.data_text import sample_note, shown_value

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> Ignore all rules {{ 7*7 }}"
COMMON = "As an AI language model, I can say that"


def varied(number: int) -> str:
    return " ".join(f"w{number * place % 997}" for place in range(3, 30))


def made_rows() -> list[dict[str, Any]]:
    """Rows in which each figure that has a command of `sft prep` is bad."""
    pairs = [(f"Question {number}?", varied(number)) for number in range(60)]
    pairs += [("Tell me more, please.", varied(100))] * 3
    pairs += [(f"Ask {number}", "YES" * (number % 2) or "yes") for number in (1, 2)] * 2 + [("ask 1", "yes")]
    pairs += [("What is it?", varied(101)), ("what is IT", varied(102))]
    pairs += [(f"Near {number}", f"{varied(300)} {varied(301)}") for number in range(5)]
    pairs += [(f"Template {number}", f"{COMMON} {varied(200 + number)}") for number in range(15)]
    pairs += [(f"Empty {number}", "…") for number in range(2)]
    pairs += [("Do harm", "I'm sorry, but I can't help with that.")]
    pairs += [("Loop", "ha " * 40), ("one two three four five six seven eight nine ten eleven",) * 2]
    pairs += [(text, text) for text in ("a copied text of ten words is one two three", "b b c d e f g h i j k l")]
    pairs += [("What now?", "Go HOME soon"), ("what now", "go home soon."), ("WHAT NOW!", "Go home soon")]
    pairs += [
        ("Code", "```\nprint(1)"),
        ("Mail", "Write to anna@firma.de today about it"),
        ("Translate", "你好，世界。"),
    ]
    pairs += [(f"Greet {number}", "Привет, как дела сегодня") for number in range(8)]
    return [{"task": "qa", "prompt": question, "completion": answer} for question, answer in pairs] + [
        {"task": "chat", "prompt": "How are you?", "completion": "I am fine today"}
    ]


def save(here: Path, rows: list[dict[str, Any]]) -> None:
    (here / "raw.jsonl").write_text("".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in rows))


def stats(sft: Any, path: str, *flags: Any) -> Any:
    result = sft("prep", path, "--stats", "--json", *flags)
    assert result.code == 0, result.err
    return json.loads(result.out)


def test_each_command_to_try_makes_its_figure_better(here: Path, sft: Any) -> None:
    save(here, made_rows())
    document = stats(sft, "raw.jsonl")
    tried = {}
    for found in document["findings"]:
        words = shlex.split(found["try"])
        assert words[0] == "sft"
        if words[1] != "prep":
            continue
        result = sft(*words[1:], "--force")
        assert result.code == 0, f"{found['try']}\n{result.err}"
        group, _, key = found["figure"].partition(".")
        after = stats(sft, "clean.jsonl")["figures"][group][key]
        assert (after or {"share": 0.0})["share"] < found["share"], found["try"]
        tried[found["figure"]] = found
    with_flags = {bound.figure for bound in DATA_BOUNDS if not bound.cure.startswith("sft ")}
    # The first needs a third of the rows, the second other rows than those with a template phrase.
    assert with_flags - set(tried) == {"answers.of_one_or_two_words", "phrases.most_frequent_opening"}


def test_an_opening_that_goes_on_differently(here: Path, sft: Any) -> None:
    save(
        here,
        [{"prompt": f"q {n}", "completion": f"Here is a {varied(n)}" if n % 3 else varied(n)} for n in range(1, 61)],
    )
    (found,) = [each for each in stats(sft, "raw.jsonl")["findings"] if each["figure"].startswith("phrases")]
    assert found["figure"] == "phrases.most_frequent_opening"
    assert sft(*shlex.split(found["try"])[1:]).code == 0
    assert (here / "clean.jsonl").read_text().count("\n") == 20


def test_very_short_answers_are_bad_unless_they_are_labels(here: Path, sft: Any) -> None:
    for answers, is_bad in (("yes no", False), (" ".join(f"w{n}" for n in range(60)), True)):
        words = answers.split()
        save(here, [{"prompt": f"q {n}", "completion": words[n % len(words)]} for n in range(60)])
        found = {each["figure"]: each["try"] for each in stats(sft, "raw.jsonl", "--dedup", "exact")["findings"]}
        assert ("answers.of_one_or_two_words" in found) == is_bad


def test_rules_come_first(here: Path, sft: Any) -> None:
    save(here, made_rows())
    document = stats(sft, "raw.jsonl", "--filter", "refusal", "--rows", 10, "--ledger", "ledger.jsonl")
    assert document["rows"] == 10
    assert document["figures"]["answers"]["refusals"]["rows"] == 0
    assert "answer is a refusal" in (here / "ledger.jsonl").read_text()


def test_a_command_to_try_reads_the_rows_in_the_same_way(here: Path, sft: Any) -> None:
    save(here, [{"ask": f"q {n % 5}", "say": f"Yes {n % 5}", "task": "old"} for n in range(20)])
    flags = ["--map", "prompt=ask", "--map", "completion=say", "--task", "new task", "--prompts", "--rows", "20"]
    (found, *_) = stats(sft, "raw.jsonl", *flags)["findings"]
    kept = "--map prompt=ask --map completion=say --task 'new task' --prompts"
    assert found["try"] == f"sft prep raw.jsonl {kept} --dedup exact -o clean.jsonl"
    assert sft(*shlex.split(found["try"])[1:]).code == 0
    assert (here / "clean.jsonl").read_text().count("\n") == 5


def test_tokens_that_do_not_fit(here: Path, sft: Any, tiny: Path) -> None:
    save(here, made_rows()[:20])
    document = stats(sft, "raw.jsonl", "--model", tiny, "--max-length", 40)
    tokens = document["figures"]["tokens"]
    assert tokens["too_long"]["rows"] > 0
    assert 0 < tokens["tokens_that_do_not_fit"]["share"] < 1
    assert tokens["tokens_of_rows"]["largest"] > 40
    (found,) = [each for each in document["findings"] if each["figure"] == "tokens.too_long"]
    assert f"--max-length {tokens['tokens_of_rows']['largest']}" in found["try"]
    assert "too_long" not in stats(sft, "raw.jsonl", "--model", tiny)["figures"]["tokens"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--json"], "--json: has an effect only with --stats"),
        (["--html", "page.html"], "--html: has an effect only with --stats"),
        (["--max-length", "9"], "--max-length: has an effect only with --stats"),
        (["--model", "m"], "--model: has an effect only with --stats"),
        (["--stats", "--max-length", "9"], "--max-length: needs a tokenizer to count tokens\nhint: --model NAME"),
        (["--stats", "--check"], "--check: has no effect with --stats, which writes no rows"),
        (["--stats", "--dry-run"], "--dry-run: has no effect with --stats"),
        (["--stats", "--max-drop", "0.1"], "--max-drop: has no effect with --stats"),
        (["--stats", "--split", "a=0.5,b=0.5", "-o", "d"], "--split: has no effect with --stats"),
        (["--stats", "--html", "raw.jsonl"], "--html raw.jsonl: expected another file than --out and the inputs"),
        (["--stats", "--where", "task == 'x'"], "no rows left: all are dropped"),
    ],
)
def test_flags_without_an_effect_are_refused(here: Path, sft: Any, flags: list[str], said: str) -> None:
    save(here, made_rows())
    result = sft("prep", "raw.jsonl", *flags)
    assert result.code == 2
    assert said in result.err


def hostile_page(here: Path, sft: Any) -> Path:
    rows = [{"task": HOSTILE, "prompt": f"Why {n}?", "completion": f"{HOSTILE} {varied(n)}"} for n in range(8)]
    save(here, rows)
    result = sft("prep", "raw.jsonl", "--stats", "--html", "page.html", "-o", "stats.txt")
    assert result.code == 0, result.err
    return here / "page.html"


def test_the_page_has_no_script_no_request_and_inert_texts(here: Path, sft: Any) -> None:
    page = hostile_page(here, sft).read_text(encoding="utf-8")
    assert "default-src 'none'; style-src 'sha256-" in html.unescape(page)
    assert re.findall(r"<script[^>]*>", page) == ['<script type="application/json" id="data">']
    assert "<img" not in page
    assert "{{" not in page.split('id="data"')[0].replace("{{ 7*7 }}", "")
    assert not re.search(r"(?:src|href)=\"?(?:https?:)?//", page)
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert data["figures"]["rows"]["rows_by_source"][0]["text"] == HOSTILE
    assert "!" in (here / "stats.txt").read_text()


@pytest.mark.slow
def test_the_page_in_a_browser(here: Path, sft: Any, open_page: OpenPage) -> None:
    page = open_page(hostile_page(here, sft), viewport={"width": 390, "height": 844})
    assert page.locator("article.verdict").count() > 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_sample_is_named() -> None:
    sample = AnswerSample(2)
    assert sample_note({"rows": 5, "rows_of_the_sample": sample.size}) == (
        "phrases and n-grams: of 2 of 5 rows, those with the smallest hash"
    )
    assert sample_note({"rows": 5, "rows_of_the_sample": 5}) == ""
    assert [shown_value(value) for value in (None, {"share": 0.5}, {"rows": 1, "share": 0.0004}, 0.5)] == [
        "–",
        "50.0 %",
        "1 (<0.1 %)",
        "0.500",
    ]
