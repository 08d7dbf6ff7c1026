"""The page of --html in headless Chromium: filters, keys, themes, print, phone; no text of a model does anything."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from browser import OpenPage
from compared_files import HOSTILE, SYSTEMS, score_systems

pytestmark = pytest.mark.slow
PHONE = {"width": 390, "height": 844}
SEQUENCE = Path(__file__).parent.parent.parent / "docs" / "examples" / "sequence"


@pytest.fixture
def report(here: Path, sft: Any) -> Path:
    score_systems(here, sft)
    runs = ("--run", "runs/plain", "--run", "runs/replay")
    files = [f"{system}.jsonl" for system in SYSTEMS]
    assert sft("compare", *files, *runs, "--html", "report.html", "--draws", 500).code == 0
    return here / "report.html"


def data_of(page: Any) -> Any:
    return json.loads(page.text_content("#data"))


def shown_place(page: Any) -> str:
    return page.text_content("#row h3")


def test_the_filters_choose_the_rows_that_the_data_has(report: Path, open_page: OpenPage) -> None:
    page = open_page(report)
    table = data_of(page)["rows"]
    assert page.text_content("#count").startswith("60 of 60 rows")
    assert page.locator("#list button").count() == 15  # never all rows: a page of 5,000 opens at once
    worse = [place for place, own in enumerate(table["values"]) if own[0][1] < own[0][0]]
    page.select_option("#change", "worse")
    assert page.text_content("#count") == f"{len(worse)} of 60 rows: ▼ {len(worse)} worse"
    page.select_option("#task", label="<b>old</b> task")
    old = [place for place in worse if table["tasks"][table["task"][place]] == "<b>old</b> task"]
    assert page.text_content("#count").startswith(f"{len(old)} of 60 rows")
    page.select_option("#system", label="replay")
    replay = [place for place, own in enumerate(table["values"]) if own[0][2] < own[0][0] and table["task"][place]]
    replay = [place for place in replay if table["tasks"][table["task"][place]] == "<b>old</b> task"]
    assert page.text_content("#count").startswith(f"{len(replay)} of 60 rows")
    page.select_option("#task", "")
    page.select_option("#change", "different")
    different = sum(own[0] != own[2] for own in table["answers"])
    assert page.text_content("#count").startswith(f"{different} of 60 rows")
    page.select_option("#change", "")
    page.select_option("#change", "wrong")
    assert page.text_content("#count").startswith(f"{sum(own[0][2] == 0 for own in table['values'])} of 60 rows")
    page.select_option("#change", "")
    page.fill("#search", "PRODUCT 7 *")
    assert page.text_content("#count").startswith("1 of 60 rows")
    page.fill("#search", "nothing has these words")
    assert "No row passes the filters." in page.text_content("#row")


def test_rows_are_ordered_by_their_change(report: Path, open_page: OpenPage) -> None:
    page = open_page(report)
    table = data_of(page)["rows"]
    page.select_option("#order", "drop")
    assert "worse · row 1 of 60" in shown_place(page)
    page.select_option("#order", "gain")
    gains = [own[0][1] - own[0][0] for own in table["values"]]
    best = gains.index(max(gains))
    assert f"id {table['id'][best]} " in page.text_content("#row")


def test_the_address_names_the_chosen_row(report: Path, open_page: OpenPage) -> None:
    page = open_page(report)
    for _ in range(4):
        page.keyboard.press("j")
    assert page.url.endswith("#row-4")
    page.reload()
    assert "row 5 of 60" in shown_place(page)


def test_keys_and_buttons_move_through_the_rows(report: Path, open_page: OpenPage) -> None:
    page = open_page(report)
    assert "row 1 of 60" in shown_place(page)
    for _ in range(16):
        page.keyboard.press("j")
    assert "row 17 of 60" in shown_place(page)
    page.keyboard.press("k")
    assert "row 16 of 60" in shown_place(page)
    assert page.locator("#list [aria-current=true]").count() == 1
    page.click("#next")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert "row 15 of 60" in shown_place(page)
    page.keyboard.press("/")
    page.keyboard.type("jk")  # letters of a search, not moves
    assert page.input_value("#search") == "jk"
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    assert "No row passes" in page.text_content("#row")


def test_texts_of_models_are_only_text(report: Path, open_page: OpenPage) -> None:
    page = open_page(report)
    title = page.title()
    for hostile in HOSTILE[:3]:
        page.fill("#search", hostile[:12])
        assert not page.text_content("#count").startswith("0 of")
        page.keyboard.press("Escape")
        for _ in range(4):
            page.keyboard.press("j")
        assert hostile[:12] in page.text_content("#row")
    assert page.title() == title
    assert page.locator("script").count() == 2
    assert page.locator("#row img, #row script, #row svg, #rows b").count() == 0


def test_the_diff_loses_no_text(report: Path, open_page: OpenPage) -> None:
    page = open_page(report)
    table = data_of(page)["rows"]
    for place in range(10):
        answers = page.locator(".answer").all_text_contents()
        assert answers == [own or "(no completion)" for own in table["answers"][place][:2]]
        page.keyboard.press("j")
    page.evaluate(
        """() => { const [a, b] = [document.createElement("p"), document.createElement("p")];
        showDiff("巴黎是法国的首都 now", "里昂是法国的首都 then", a, b);
        document.body.append(a, b); a.id = "a"; b.id = "b"; }"""
    )
    assert page.inner_html("#a") == "<del>巴黎</del>是法国的首都 <del>now</del>"
    assert page.inner_html("#b") == "<ins>里昂</ins>是法国的首都 <ins>then</ins>"


def test_answers_with_few_common_words_are_not_marked(report: Path, open_page: OpenPage) -> None:
    page = open_page(report)
    page.fill("#search", "<script>")
    page.select_option("#change", "better")
    assert "The two answers share less than a fifth of their words" in page.text_content("#row")
    assert page.locator(".answer del, .answer ins").count() == 0


def test_the_theme_follows_the_system_and_a_switch(report: Path, open_page: OpenPage) -> None:
    dark = "matchMedia('(prefers-color-scheme: dark)').matches"
    background = "getComputedStyle(document.body).backgroundColor"
    page = open_page(report, color_scheme="dark")
    assert page.evaluate(dark)
    before = page.evaluate(background)
    page.select_option("#theme", "light")
    assert page.evaluate(background) != before
    page.reload()
    assert page.input_value("#theme") == "light"
    page.select_option("#theme", "dark")
    assert page.evaluate(background) == before


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_width_is_cut_off(report: Path, open_page: OpenPage, width: int) -> None:
    page = open_page(report, viewport={"width": width, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_on_paper_there_are_no_controls_and_all_tables(report: Path, open_page: OpenPage) -> None:
    page = open_page(report)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert [page.locator(name).first.is_visible() for name in ("nav", "#filters", "#list", "#theme")] == [False] * 4
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0


def serious_faults(page: Any) -> list[str]:
    """What axe-core finds that is serious or critical."""
    folder = Path(importlib.util.find_spec("axe_playwright_python").origin).parent  # type: ignore[union-attr, arg-type]
    # Not by a script element: the page's policy forbids it.
    page.evaluate((folder / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")
    assert len(found["passes"]) > 20
    return [
        f"{each['id']}: {node['html'][:120]}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


@pytest.mark.skipif(importlib.util.find_spec("axe_playwright_python") is None, reason="needs axe-playwright-python")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", ["desktop", "phone"])
def test_axe_finds_nothing_serious(report: Path, open_page: OpenPage, scheme: str, view: str) -> None:
    size = PHONE if view == "phone" else {"width": 1280, "height": 900}
    page = open_page(report, color_scheme=scheme, viewport=size)
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    assert serious_faults(page) == []


def test_a_page_about_forgetting_opens(here: Path, sft: Any, open_page: OpenPage) -> None:
    files = [SEQUENCE / f"{name}.jsonl" for name in ("base", "after-labels", "after-dates")]
    words = ("--learned", "labels", "--learned", "dates", "--general-text", "wiki", "--base-samples", "own")
    result = sft("compare", "--forgetting", *files, *words, "--html", "report.html", "--draws", 200)
    assert result.code == 0, result.err
    page = open_page(here / "report.html")
    assert page.title() == "Learning and forgetting: labels, dates – sft compare"
    if importlib.util.find_spec("axe_playwright_python"):
        assert serious_faults(page) == []
