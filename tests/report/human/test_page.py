"""The page in a browser: rated by keyboard alone, exported, read back; nothing is lost, and no completion runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser import OpenPage

pytestmark = pytest.mark.slow

EVIL = [
    "<script>document.title = 'broken'</script>",
    "</script><script>document.title = 'broken'</script>",
    "<img src=x onerror=\"document.title = 'broken'\">",
    "<!--<script>",
    "line\u2028separator\u2029and & <b>bold</b>",
]
SIDES = {"1": "left", "2": "right", "0": "tie", "9": "both-bad"}


def generations(path: Path, rows: int, answer: Callable[[int], str | None]) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for row in range(rows):
            asked = [{"role": "user", "content": f"Question {row}?"}]
            file.write(json.dumps({"id": f"q{row}", "messages": asked, "completion": answer(row)}) + "\n")
    return path


@pytest.fixture
def make(here: Path, sft: Any) -> Any:
    """`make(files, rows, *flags)`: the page and the key of some systems."""

    def make_(files: int, rows: int, *flags: str) -> dict[str, Any]:
        names = ["secretbase", "secrettuned", "secretthird"][:files]
        paths = [generations(here / f"{name}.gen.jsonl", rows, lambda row, n=name: f"{n[6:]} {row}") for name in names]
        result = sft("compare", *paths, "--blind-page", "page.html", "--key", "key.json", *flags)
        assert result.code == 0, result.err
        key: dict[str, Any] = json.loads((here / "key.json").read_text(encoding="utf-8"))
        return key

    return make_


def begin(open_page: OpenPage, here: Path, **options: Any) -> Any:
    page = open_page(here / "page.html", **options)
    page.keyboard.type("Anna B")
    page.keyboard.press("Enter")
    return page


def export(page: Any, path: Path) -> list[dict[str, Any]]:
    with page.expect_download() as download:
        page.keyboard.press("e")
    download.value.save_as(path)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_thirty_ratings_by_keyboard_are_exported_and_read_back(
    make: Any, open_page: OpenPage, here: Path, sft: Any
) -> None:
    key = make(2, 30)
    assert [row["repeat"] for row in key["rows"]].count(True) == 2
    pressed = [list(SIDES)[place % 4] for place in range(len(key["rows"]))]
    page = begin(open_page, here)
    for sign in pressed:
        page.keyboard.press(sign)
    assert page.locator("#done-title").is_visible()
    rows = export(page, here / "ratings.jsonl")
    assert [row["choice"] for row in rows] == [SIDES[sign] for sign in pressed]
    assert [[row["left"], row["right"]] for row in rows] == [row["codes"] for row in key["rows"]]
    assert all(row["rater"] == "Anna B" and row["page"] == key["page"] and row["ms"] > 0 and row["ts"] for row in rows)
    result = sft("compare", "--ratings", "ratings.jsonl", "--key", "key.json", "--json")
    assert result.code == 0, result.err
    won = json.loads(result.out)["criteria"][0]["all"]
    counts = {"wins": 0, "losses": 0, "ties": 0, "both_bad": 0}
    for row, sign in zip(key["rows"], pressed, strict=True):
        if not row["repeat"]:
            system = {"1": row["systems"][0], "2": row["systems"][1]}.get(sign)
            counts[{1: "wins", 0: "losses", None: "ties" if sign == "0" else "both_bad"}[system]] += 1
    assert {name: won[name] for name in counts} == counts


def test_a_reload_loses_nothing_not_even_half_a_row(make: Any, open_page: OpenPage, here: Path) -> None:
    (here / "criteria.json").write_text('[{"name": "facts", "guideline": "Look each fact up."}]', encoding="utf-8")
    make(2, 6, "--criteria", "criteria.json")
    page = begin(open_page, here)
    page.keyboard.press("n")
    page.keyboard.type("2 typos, 1 error")  # digits in a note are no choices
    page.keyboard.press("Escape")
    for sign in ("1", "2", "0"):  # the first row, and the overall choice of the second
        page.keyboard.press(sign)
    before = export(page, here / "before.jsonl")
    page.reload()
    assert page.locator("#place").inner_text() == "Row 2 of 6"
    assert page.locator("[aria-pressed=true]").inner_text().startswith("tie")
    assert export(page, here / "after.jsonl") == before
    assert before[0]["note"] == "2 typos, 1 error"
    assert (before[0]["choice"], before[0]["criteria"]) == ("left", {"facts": "right"})
    page.keyboard.press("9")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert page.locator("#note").input_value() == "2 typos, 1 error"


def test_undo_takes_back_the_last_choice(make: Any, open_page: OpenPage, here: Path) -> None:
    make(2, 3)
    page = begin(open_page, here)
    for sign in ("1", "2", "u", "0", "9"):
        page.keyboard.press(sign)
    assert [row["choice"] for row in export(page, here / "ratings.jsonl")] == ["left", "tie", "both-bad"]
    page.get_by_role("button", name="Undo").click()
    assert page.locator("#place").inner_text() == "Row 3 of 3"
    assert [row["choice"] for row in export(page, here / "ratings.jsonl")] == ["left", "tie"]


def test_an_export_continues_on_another_computer(make: Any, open_page: OpenPage, here: Path) -> None:
    make(2, 4)
    page = begin(open_page, here)
    page.keyboard.press("1")
    page.keyboard.press("2")
    rows = export(page, here / "half.jsonl")
    other = open_page(here / "page.html")  # a new context has no storage
    other.locator("#import").set_input_files(here / "half.jsonl")
    other.wait_for_function("document.getElementById('place').textContent === 'Row 3 of 4'")
    other.keyboard.press("0")
    other.keyboard.press("0")
    assert export(other, here / "all.jsonl")[:2] == rows
    page.get_by_role("button", name="Start page").click()
    (here / "other.jsonl").write_text(json.dumps({**rows[0], "page": "another"}), encoding="utf-8")
    page.locator("#import").set_input_files(here / "other.jsonl")
    page.wait_for_selector("#warning:not([hidden])")
    assert page.locator("#warning").inner_text() == "The file has ratings of another page."


def test_what_a_model_wrote_is_text(here: Path, sft: Any, open_page: OpenPage) -> None:
    for name in ("a", "b"):
        generations(here / f"{name}.gen.jsonl", len(EVIL), lambda row: EVIL[row])
    flags = ("--blind-page", "page.html", "--key", "key.json", "--repeats", "0")
    assert sft("compare", "a.gen.jsonl", "b.gen.jsonl", *flags).code == 0
    page = begin(open_page, here)
    seen = []
    for _ in EVIL:
        seen += page.locator(".answer p").all_text_contents()
        assert page.locator(".answer script, .answer img, .answer b").count() == 0
        page.keyboard.press("0")
    assert sorted(seen) == sorted(EVIL * 2)
    assert page.title() == "Judge the answers"


def test_a_single_system_is_rated(make: Any, open_page: OpenPage, here: Path, sft: Any) -> None:
    (here / "criteria.toml").write_text('[[criteria]]\nname = "polite"\nscale = "yes-no"\n', encoding="utf-8")
    make(1, 5, "--criteria", "criteria.toml")
    page = begin(open_page, here)
    for sign in "5140312121":
        page.keyboard.press(sign)  # 5, yes; 4, no; …
    rows = export(page, here / "ratings.jsonl")
    assert [(row["rating"], row["criteria"]["polite"]) for row in rows] == [(5, 1), (4, 0), (3, 1), (2, 1), (2, 1)]
    result = sft("compare", "--ratings", "ratings.jsonl", "--key", "key.json", "--json")
    results = json.loads(result.out)["criteria"]
    assert [each["all"]["value"] for each in results] == [pytest.approx(3.2), pytest.approx(0.8)]


def test_three_systems_are_ranked(make: Any, open_page: OpenPage, here: Path, sft: Any) -> None:
    key = make(3, 4)
    page = begin(open_page, here)
    for signs in ("231", "1023", "3021", "20103"):
        for sign in signs:
            page.keyboard.press(sign)
    rows = export(page, here / "ratings.jsonl")
    assert [row["ranks"] for row in rows] == [[3, 1, 2], [1, 1, 3], [3, 1, 1], [1, 1, 1]]
    assert [row["codes"] for row in rows] == [row["codes"] for row in key["rows"]]
    result = sft("compare", "--ratings", "ratings.jsonl", "--key", "key.json", "--json")
    assert len(json.loads(result.out)["criteria"][0]["strengths"]) == 3


def test_three_systems_are_shown_in_pairs(make: Any, open_page: OpenPage, here: Path, sft: Any) -> None:
    make(3, 6, "--page-pairs", "--repeats", "0")
    page = begin(open_page, here)
    assert page.locator(".answer").count() == 2
    for sign in "112212":
        page.keyboard.press(sign)
    export(page, here / "ratings.jsonl")
    assert sft("compare", "--ratings", "ratings.jsonl", "--key", "key.json").code == 0


def test_keys_work_while_an_input_method_is_on(make: Any, open_page: OpenPage, here: Path) -> None:
    make(2, 3)
    page = begin(open_page, here)
    for code in ("Digit1", "Numpad9", "KeyU"):
        event = f"new KeyboardEvent('keydown', {{key: 'Process', code: '{code}', bubbles: true}})"
        page.evaluate(f"document.body.dispatchEvent({event})")
    assert [row["choice"] for row in export(page, here / "ratings.jsonl")] == ["left"]


def test_the_page_speaks_chinese(make: Any, open_page: OpenPage, here: Path) -> None:
    make(2, 3, "--page-language", "zh")
    page = begin(open_page, here)
    assert page.locator("#place").inner_text() == "第 1 条，共 3 条"
    assert page.evaluate("document.documentElement.lang") == "zh-Hans"
    page.select_option("#language", "en")
    assert page.locator("#place").inner_text() == "Row 1 of 3"
    page.reload()
    assert page.locator("#place").inner_text() == "Row 1 of 3"


def test_answers_are_side_by_side_and_on_a_phone_one_below_the_other(
    make: Any, open_page: OpenPage, here: Path
) -> None:
    make(2, 3)

    def places(width: int) -> list[dict[str, float]]:
        size = {"width": width, "height": 900}
        start = open_page(here / "page.html", viewport=size)
        assert start.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the start scrolls sideways"
        page = begin(open_page, here, viewport=size)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
        return [box.bounding_box() for box in page.locator(".answer").all()]

    left, right = places(1200)
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]
    top, bottom = places(390)
    assert top["x"] == bottom["x"]
    assert top["y"] + top["height"] <= bottom["y"]


def test_keys_can_be_switched_off_and_buttons_have_names(make: Any, open_page: OpenPage, here: Path) -> None:
    make(2, 3)
    page = begin(open_page, here)
    page.get_by_label("keyboard shortcuts").uncheck()
    page.keyboard.press("1")
    assert page.locator("#count").inner_text() == "0 of 3 rows judged"
    page.get_by_role("group", name="Which answer is better?").get_by_role("button", name="both bad").click()
    assert page.locator("#count").inner_text() == "1 of 3 rows judged"
    assert page.evaluate("document.activeElement.id") == "place"  # a screen reader continues at the new row


@pytest.mark.parametrize("files", [1, 2, 3])
def test_nothing_on_the_page_names_a_system(make: Any, here: Path, files: int) -> None:
    key = make(files, 12)
    text = (here / "page.html").read_text(encoding="utf-8")
    assert "secret" not in text
    assert str(here) not in text
    assert "systems" not in text.split('id="data">')[1].split("</script>")[0].split('"words"')[0]
    codes = [code for row in key["rows"] for code in row["codes"]]
    assert len(set(codes)) == len(codes)  # no code is that of a system, or comes back in a repeat


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("files", [1, 2, 3])
def test_axe_finds_nothing(make: Any, open_page: OpenPage, here: Path, files: int, scheme: str) -> None:
    axe = Path(pytest.importorskip("axe_playwright_python").__file__ or "").parent / "axe.min.js"
    make(files, 3)
    for width in (1200, 390):
        page = open_page(here / "page.html", color_scheme=scheme, viewport={"width": width, "height": 900})
        for keys in ([], [*"anna", "Enter", "1"], [*"11", "ArrowRight"]):  # the start, and rows
            for key in keys:
                page.keyboard.press(key)
            page.evaluate(axe.read_text(encoding="utf-8"))
            found = page.evaluate("axe.run()")["violations"]
            assert [(each["impact"], each["id"], each["nodes"][0]["html"]) for each in found] == []
