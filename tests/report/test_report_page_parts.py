"""Parts of the page: scales, bins, parts of the rows, verdicts, and text that cannot leave its place."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as xml
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.report.inert_html import inert_page_json
from sft_cli.report.page.histogram import bin_names, histogram
from sft_cli.report.page.lines import p_text
from sft_cli.report.page.outcome import verdict_line
from sft_cli.report.page.reliability import reliability
from sft_cli.report.page.slices import thirds
from sft_cli.report.page.svg import SHAPES, Drawing, fitted, scale_around, text_width
from sft_cli.report.page.text_facts import script_of

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(NUMBERS, min_size=1, max_size=8))
def test_a_scale_shows_all_values_and_has_round_marks(values: list[float]) -> None:
    scale = scale_around(values, (50.0, 500.0))
    places = [scale.at(value) for value in values]
    assert all(50 < place < 500 for place in places)
    marks = scale.marks(5)
    assert 1 <= len(marks) <= 6
    assert all(scale.low - 1e-6 <= value <= scale.high + 1e-6 for value, _ in marks)
    assert [float(text.replace(",", "")) for _, text in marks] == pytest.approx([value for value, _ in marks], abs=1e-9)


@given(st.lists(st.integers(0, 400), min_size=1, max_size=60))
def test_every_length_is_in_one_bin(lengths: list[int]) -> None:
    found = histogram("length", "words", [[*map(float, lengths), math.nan]], ["a"])
    system = found["systems"][0]
    assert (sum(system["counts"]), system["n"], system["missing"]) == (len(lengths), len(lengths), 1)
    for place, count in enumerate(system["counts"]):
        low, high = found["edges"][place : place + 2]
        assert count == sum(low <= length < high for length in lengths)
    assert len(bin_names(found)) == len(system["counts"])


def test_shares_of_1_are_in_the_last_bin() -> None:
    found = histogram("repetition", "share", [[0.0, 0.05, 0.99, 1.0], []], ["a", "b"])
    counts = found["systems"][0]["counts"]
    assert (counts[0], counts[1], counts[-1], sum(counts)) == (1, 1, 2, 4)
    assert found["systems"][1]["mean"] is None
    assert bin_names(found)[-1] == "0.95–1.00"


@given(st.lists(st.integers(0, 50).map(float), min_size=1, max_size=40))
def test_each_row_is_in_one_part_of_the_lengths(lengths: list[float]) -> None:
    parts = thirds(lengths)
    assert sorted(place for members in parts.values() for place in members) == list(range(len(lengths)))
    assert len(parts) <= 3
    assert all(members for members in parts.values())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("What is the capital?", "other languages"),
        ("法国的首都是哪里？", "Chinese, Japanese, Korean"),
        ("한국의 수도는?", "Chinese, Japanese, Korean"),
        ("日本の首都はどこですか", "Chinese, Japanese, Korean"),
        ("Translate into English: 你好", "mixed"),
        ("12 + 3 = ?", "other languages"),
        ("Столица Франции?", "other languages"),
    ],
)
def test_the_language_of_a_question_by_its_letters(text: str, name: str) -> None:
    assert script_of(text) == name


def test_the_verdict_line_prints_no_control_characters() -> None:
    entry = {"base": "a", "other": "b", "value": "f1", "word": "worse", "worse_in": ["x\x1b[31m"], "better_in": []}
    assert verdict_line([entry]) == "b worse (worse in x\\x1b[31m), compared with a by f1"


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8))
def test_json_in_the_page_is_the_same_and_ends_no_element(value: Any) -> None:
    text = inert_page_json(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == value


def test_marks_of_systems_differ_by_shape_and_texts_are_escaped() -> None:
    drawing = Drawing("figure", "<title> & more", "what it shows", 100)
    for number in range(len(SHAPES)):
        drawing.mark((10, 10), number, "<tip>")
    drawing.text((1, 1), "</text><script>")
    drawing.curve([(0, 0), (1, 1)], 1)
    root = xml.fromstring(drawing.svg())
    classes = [child.get("class", "").split() for child in root if "mark" in child.get("class", "")]
    assert [names[1] for names in classes] == list(SHAPES)
    assert root[0].text == "<title> & more"
    assert "<script>" not in drawing.svg()


@given(st.text("ab国", max_size=30), st.integers(1, 20))
def test_a_fitted_text_is_no_wider(text: str, letters: int) -> None:
    assert text_width(fitted(text, letters)) <= letters


def test_a_small_p_is_not_shown_as_0() -> None:
    assert [p_text(p) for p in (0.00001, 0.0001, 0.05, None)] == ["< 0.0001", "0.0001", "0.0500", "–"]


def test_calibration_needs_right_or_wrong_and_confidences() -> None:
    assert reliability("a", [0.5, math.nan], [0.5, 1.0]) is None
    assert reliability("a", [math.nan], [1.0]) is None
    found = reliability("a", [1.0, 0.95, 0.2], [1.0, 0.0, 0.0])
    assert found is not None
    assert found["error"] == pytest.approx((2 * abs(0.5 - 0.975) + 0.2) / 3)
    assert (found["bins"][9]["n"], found["bins"][2]["n"]) == (2, 1)
