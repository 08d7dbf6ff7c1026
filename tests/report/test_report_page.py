"""The page of --html: every number in it is computed again from the files; texts of models cannot do anything."""

from __future__ import annotations

import json
import math
import re
import statistics
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from compared_files import HOSTILE, SYSTEMS, rows_of, score_systems, write_rows

from sft_cli.report.page.forest import forest

ROOT = Path(__file__).parent.parent.parent
FILES = [f"{system}.jsonl" for system in SYSTEMS]
RUNS = ("--run", "runs/plain", "--run", "runs/replay")


class Page(HTMLParser):
    """The JSON of a page, its cells of numbers, its ids, and the elements that could ask for something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.data, self.numbers, self.ids, self.requests = "", [], [], []
        self.open: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.open.append({"tag": tag, **found})
        self.ids += [found["id"]] if "id" in found else []
        asks = {"src", "href", "action", "onerror", "onload", "style"} & found.keys()
        self.requests += [(tag, name) for name in asks if not str(found[name]).startswith("#")]

    def handle_data(self, text: str) -> None:
        if not self.open:
            return
        if self.open[-1].get("id") == "data":
            self.data += text
        if self.open[-1]["tag"] == "td" and "number" in str(self.open[-1].get("class")):
            self.numbers.append(text)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()["tag"] != tag:
            pass

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.data)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


@pytest.fixture
def page(here: Path, sft: Any) -> Page:
    score_systems(here, sft)
    result = sft("compare", *FILES, *RUNS, "--html", "report.html", "--figures", "figures", "--draws", 500)
    assert result.code == 0, result.err
    return Page((here / "report.html").read_text(encoding="utf-8"))


def check_numbers(document: dict[str, Any], folder: Path) -> None:
    """Compute the page's numbers about rows again, from the score files and the generations in `folder`."""
    labels = [file["label"] for file in document["files"]]
    scores = {label: rows(folder / f"{label}.jsonl") for label in labels}
    texts = {label: {row["id"]: row for row in rows(folder / f"{label}.gen.jsonl")} for label in labels}
    base = document["base"]
    assert document["paired"] == len(scores[base])
    assert [file["cut"] for file in document["files"]] == [
        sum(row["finish_reason"] == "length" for row in texts[label].values()) for label in labels
    ]
    for each in document["comparisons"]:
        mine = {label: [row for row in scores[label] if each["group"] in (None, row["task"])] for label in labels}
        ours, theirs = ([row["metrics"][each["value"]] for row in mine[label]] for label in (base, each["other"]))
        assert each["n"] == len(ours)
        assert each["base_value"] == pytest.approx(statistics.mean(ours))
        assert each["difference"] == pytest.approx(statistics.mean(theirs) - statistics.mean(ours))
        assert each["better"] == sum(b > a for a, b in zip(ours, theirs, strict=True))
        assert each["worse"] == sum(b < a for a, b in zip(ours, theirs, strict=True))
    first = document["comparisons"][0]["value"]
    for slicing in document["slices"]:
        assert slicing["left_out"] == 0
        for each in slicing["comparisons"]:
            chosen = [row for row in scores[base] if part_of(slicing, texts[base][row["id"]]) == each["group"]]
            assert each["n"] == len(chosen)
            assert each["base_value"] == pytest.approx(statistics.mean(row["metrics"][first] for row in chosen))
        parts = {each["group"]: each["n"] for each in slicing["comparisons"]}
        assert sum(parts.values()) == document["paired"]
    table = document["rows"]
    assert (table["total"], table["left_out"]) == (document["paired"], 0)
    for place, row_id in enumerate(table["id"]):
        values = [[scores[label][place]["metrics"][m["value"]] for label in labels] for m in table["measures"]]
        assert [row_id, table["question"][place]] == [scores[base][place]["id"], question(texts[base][row_id])]
        assert table["values"][place] == [pytest.approx(own, abs=1e-6) for own in values]
        assert table["answers"][place] == [texts[label][row_id]["completion"] for label in labels]
        assert table["finish"][place] == [texts[label][row_id]["finish_reason"] for label in labels]
        assert table["tasks"][table["task"][place]] == texts[base][row_id]["task"]
    for system, label in zip(document["histograms"][0]["systems"], labels, strict=True):
        known = [row["completion"] for row in texts[label].values() if row["completion"] is not None]
        assert (system["n"], system["missing"]) == (len(known), len(texts[label]) - len(known))
        assert sum(system["counts"]) == len(known)


def question(row: dict[str, Any]) -> str:
    return row["messages"][-1]["content"]


def part_of(slicing: dict[str, Any], row: dict[str, Any]) -> str:
    """The part of a slicing that a row belongs to, by its texts."""
    text = question(row)
    if slicing["by"] == "task":
        return row["task"]
    if slicing["by"] == "language":
        cjk = sum("\u3400" <= letter <= "\u9fff" for letter in text)
        return "Chinese, Japanese, Korean" if cjk else "other languages"
    bounds = [each["group"] for each in slicing["comparisons"]]
    for name in dict.fromkeys(bounds):
        numbers = [int(number.replace(",", "")) for number in re.findall(r"[\d,]+", name)]
        if name.startswith("up to") and len(text) <= numbers[0]:
            return name
        if name.startswith("more than") and len(text) > numbers[0]:
            return name
        if " to " in name and len(numbers) == 2 and numbers[0] <= len(text) <= numbers[1]:
            return name
    raise AssertionError(text)


def test_every_number_about_rows_comes_from_the_files(page: Page, here: Path) -> None:
    check_numbers(page.document, here)
    assert [each["by"] for each in page.document["slices"]] == ["task", "language", "length"]


def test_every_number_of_the_demo_comes_from_its_files() -> None:
    built = ROOT / "demo" / "build"
    if not (built / "report.html").is_file():
        pytest.skip("make demo has not run")
    check_numbers(Page((built / "report.html").read_text(encoding="utf-8")).document, built)


def numbers_in(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for each in value.values() for number in numbers_in(each)]
    if isinstance(value, list):
        return [number for each in value for number in numbers_in(each)]
    return [value] if isinstance(value, (int, float)) else []


def test_every_number_in_a_table_is_in_the_data(page: Page) -> None:
    known = {"0.0001"}  # p of less than that
    for number in numbers_in(page.document):
        for form in ("{:.4f}", "{:+.4f}", "{:.1f}", "{:,}"):
            known.add(form.format(number).replace("-", "−"))
    shown = [number for text in page.numbers for number in re.findall(r"[+−]?[\d,]+(?:\.\d+)?", text)]
    assert len(shown) > 200
    assert [number for number in shown if number not in known] == []


def test_lengths_and_repetition_of_completions(page: Page) -> None:
    lengths, repetition = page.document["histograms"]
    for system, label in zip(lengths["systems"], SYSTEMS, strict=True):
        # Full-width and CJK letters do not occur in these completions: a word is a run of letters and digits.
        counts = [
            len(re.findall(r"[^\W_]+", row["completion"])) for row in rows_of(label) if row["completion"] is not None
        ]
        assert system["mean"] == pytest.approx(statistics.mean(counts))
        assert system["median"] == statistics.median(counts)
        edges, found = lengths["edges"], [0] * len(system["counts"])
        for count in counts:
            found[max(place for place, edge in enumerate(edges[:-1]) if edge <= count)] += 1
        assert system["counts"] == found
    base = repetition["systems"][0]
    shares = []
    for row in rows_of("base"):
        words = re.findall(r"[^\W_]+", row["completion"].lower())
        grams = [tuple(words[at : at + 4]) for at in range(len(words) - 3)]
        shares += [1 - len(set(grams)) / len(grams)] if grams else []
    assert (base["n"], base["mean"]) == (len(shares), pytest.approx(statistics.mean(shares)))


def test_calibration_is_the_expected_calibration_error(page: Page, here: Path) -> None:
    system = page.document["calibration"]["systems"][0]
    right = {row["id"]: row["metrics"]["exact_match"] for row in rows(here / "base.jsonl")}
    known = [
        (math.exp(row["completion_logprob"]["sum"] / row["completion_logprob"]["tokens"]), right[row["id"]])
        for row in rows_of("base")
    ]
    error = 0.0
    for low in range(10):
        members = [pair for pair in known if low <= pair[0] * 10 < low + 1]
        error += abs(sum(own for _, own in members) - sum(confidence for confidence, _ in members)) / len(known)
    assert (system["n"], system["error"]) == (60, pytest.approx(error))
    assert sum(each["n"] for each in system["bins"]) == 60


def test_what_a_page_leaves_out_is_said(here: Path, sft: Any) -> None:
    score_systems(here, sft, 24)
    options = ["chrf", *(f"rouge-n:n={n}" for n in range(1, 8))]
    for system in ("base", "plain"):
        words = [word for option in options for word in ("--metric", option)]
        assert sft("score", f"{system}.gen.jsonl", *words, "-q", "-o", f"{system}.jsonl", "--force").code == 0
    runs = ("--run", "runs/plain", "--draws", 100)
    assert sft("compare", "base.jsonl", "plain.jsonl", *runs, "--html", "report.html").code == 0
    text = (here / "report.html").read_text(encoding="utf-8")
    assert "Rows have the values of the first 6 metrics; 2 more are in the table of metrics." in text
    assert "chrf is not right or wrong for each row" in text
    assert "plain: each point of the training loss is the mean of 3 steps." in text


def test_the_forest_plot_has_a_limit_and_says_so() -> None:
    one = {
        "base": "a",
        "other": "b",
        "difference": 0.1,
        "interval": (0.0, 0.2),
        "higher_is_better": True,
        "p_holm": 0.5,
        "n": 9,
    }
    parts = [
        {**one, "value": f"metric {number}", "group": group}
        for number in range(4)
        for group in (None, *(f"part {place}" for place in range(30)))
    ]
    svg = forest({"comparisons": parts, "base": "a", "confidence": 0.95}).svg()
    assert svg.count("part 29") == 2
    assert "The chart shows groups of rows only for the first metrics; the table has all." in svg
    other = [{**each, "base": "c"} for each in parts[:1]]
    assert ">b against c<" in forest({"comparisons": [*parts[:1], *other], "base": "a", "confidence": 0.95}).svg()
    assert "only in the table" not in forest({"comparisons": parts[:62], "base": "a", "confidence": 0.95}).svg()


def test_curves_are_means_of_equally_many_steps(page: Page, here: Path) -> None:
    run = page.document["runs"][0]
    lines = rows(here / "runs/plain/metrics.jsonl")
    losses = [line["loss"] for line in lines if "loss" in line]
    assert (run["label"], run["steps_per_point"]) == ("plain", 3)
    assert run["train"][0] == [3, pytest.approx(statistics.mean(losses[:3]))]
    assert run["train"][-1] == [500, pytest.approx(statistics.mean(losses[498:]))]
    assert run["held_out"] == [[line["step"], line["eval_loss"]] for line in lines if "eval_loss" in line]
    assert run["retained"][0] == [0, 2.0]


def test_texts_of_models_are_inert(page: Page, here: Path) -> None:
    text = (here / "report.html").read_text(encoding="utf-8")
    assert not any(letter in page.data for letter in "<>&\u2028\u2029")
    assert text.count("<script") == 2
    assert "<b>old" not in text
    answers = [own for row in page.document["rows"]["answers"] for own in row if own]
    assert all(any(hostile in own for own in answers) for hostile in HOSTILE)


def test_the_page_asks_for_nothing(page: Page, here: Path) -> None:
    text = (here / "report.html").read_text(encoding="utf-8")
    assert page.requests == []
    assert "default-src &#39;none&#39;" in text
    assert "url(" not in text
    assert len(page.ids) == len(set(page.ids))


def test_figures_are_the_svg_files_of_the_page(page: Page, here: Path) -> None:
    names = sorted(path.name for path in (here / "figures").iterdir())
    curves = ["curve-held-out.svg", "curve-retained.svg", "curve-train.svg"]
    assert names == ["calibration.svg", *curves, "forest.svg", "length.svg", "repetition.svg"]
    import xml.etree.ElementTree as xml

    for name in names:
        root = xml.parse(here / "figures" / name).getroot()
        assert root.tag.endswith("svg")
        assert [child.tag.rpartition("}")[2] for child in root][:2] == ["title", "desc"]
    held_out = (here / "figures" / "curve-held-out.svg").read_text(encoding="utf-8")
    assert "plain before training: 4.000" in held_out


def test_a_page_of_5000_rows_has_at_most_3_megabytes(here: Path, sft: Any) -> None:
    for system in ("base", "other"):
        long = [
            {
                "id": place,
                "messages": [{"role": "user", "content": f"{place} 这是一个很长的问题。" + "问题 " * 40}],
                "references": ["答案 " * 30],
                "completion": f"{system} <b> & " + "很长的答案 and more words " * (10 + place % 40),
                "sample": 0,
                "finish_reason": "stop",
            }
            for place in range(5000)
        ]
        write_rows(here / f"{system}.gen.jsonl", long)
        sft("score", f"{system}.gen.jsonl", "--metric", "token-f1", "-q", "-o", f"{system}.jsonl")
    result = sft("compare", "base.jsonl", "other.jsonl", "--html", "report.html", "--draws", 100)
    assert result.code == 0, result.err
    assert (here / "report.html").stat().st_size <= 3_000_000
    document = Page((here / "report.html").read_text(encoding="utf-8")).document
    table = document["rows"]
    assert len(table["id"]) == 5000 - table["left_out"]
    limit = table["cut_at"]
    assert f"the page shows the first {limit:,} characters of the answers of " in result.err
    lacking = table["cut"][0]
    whole = len("base <b> & " + "很长的答案 and more words " * 10)
    assert (len(table["answers"][0][0]), lacking[0]) == (limit, whole - limit)


def test_a_page_without_generations_says_so(here: Path, sft: Any) -> None:
    score_systems(here, sft, 12)
    (here / "plain.gen.jsonl").unlink()
    result = sft("compare", "base.jsonl", "plain.jsonl", "--html", "report.html", "--draws", 100)
    assert result.code == 0
    assert (
        "warning: the page has no texts: plain.gen.jsonl: texts: expected the generations of plain.jsonl" in result.err
    )
    assert "hint: --texts FILE" in result.err
    text = (here / "report.html").read_text(encoding="utf-8")
    assert "The texts of the rows are not here" in text
    document = Page(text).document
    assert (document["rows"], document["histograms"], document["calibration"]) == (None, [], None)


def test_the_last_line_is_the_verdict_and_the_path_of_the_page(here: Path, sft: Any) -> None:
    score_systems(here, sft)
    result = sft("compare", *FILES, "--html", "report.html", "--draws", 500)
    assert result.err.splitlines()[-1] == (
        "verdict: plain too little data, replay better (better in <b>old</b> task, new), compared with base by "
        "exact_match; page: report.html"
    )


def test_an_existing_page_is_not_replaced(here: Path, sft: Any) -> None:
    score_systems(here, sft, 12)
    words = ("compare", "base.jsonl", "plain.jsonl", "--html", "report.html", "--draws", 100)
    assert sft(*words).code == 0
    again = sft(*words)
    assert again.code == 2
    assert "report.html: already exists" in again.err
    assert sft(*words, "--force").code == 0


def test_a_report_whose_page_is_missing_is_not_current(here: Path, sft: Any) -> None:
    score_systems(here, sft, 12)
    words = ("compare", "base.jsonl", "plain.jsonl", "--html", "report.html", "--draws", 100, "-o", "v.txt")
    words = (*words, "--skip-if-current")
    assert sft(*words).code == 0
    first = (here / "report.html").read_bytes()
    (here / "report.html").unlink()
    assert sft(*words).code == 0
    assert (here / "report.html").read_bytes() == first
    assert sft(*words, "--figures", "figures").code == 0
    assert (here / "figures" / "forest.svg").is_file()


def test_a_bad_line_of_metrics_is_named(here: Path, sft: Any) -> None:
    score_systems(here, sft, 12)
    (here / "runs/plain/metrics.jsonl").write_text('{"step": 1, "loss": 2}\n{"st\n', encoding="utf-8")
    result = sft("compare", "base.jsonl", "plain.jsonl", "--html", "report.html", "--run", "runs/plain")
    assert result.code == 2
    assert "runs/plain/metrics.jsonl:2: expected a JSON object" in result.err


def test_the_commands_lead_back_to_the_scores(page: Page) -> None:
    steps = page.document["commands"][0]["steps"]
    assert [step["command"] for step in steps] == ["score"]
    assert steps[0]["settings"]["metric"] == ["exact-match", "token-f1"]
    assert steps[0]["line"].startswith("sft ")  # of the process that ran the command
    assert steps[0]["inputs"][0]["path"] == "base.gen.jsonl"


SEQUENCE = ROOT / "docs" / "examples" / "sequence"


def test_a_sequence_of_tasks_has_its_matrix_on_the_page(here: Path, sft: Any) -> None:
    files = [SEQUENCE / f"{name}.jsonl" for name in ("base", "after-labels", "after-dates")]
    words = ("compare", "--forgetting", *files, "--learned", "labels", "--learned", "dates", "--draws", 200)
    words = (*words, "--general-text", "wiki", "--base-samples", "own")
    told = json.loads(sft(*words, "--json").out)
    result = sft(*words, "--html", "report.html", "--figures", "figures")
    assert result.code == 0, result.err
    page = Page((here / "report.html").read_text(encoding="utf-8"))
    assert page.document["forgetting"] == told
    assert [f"{value:.4f}" for stage in told["matrix"] for value in stage] == page.numbers[: 3 * 3]
    assert [path.name for path in (here / "figures").iterdir()] == ["forgetting.svg"]
