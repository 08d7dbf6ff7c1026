"""The loss curve: a small SVG that says what metrics.jsonl says."""

from __future__ import annotations

import json
import math
import random
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.training.watching.loss_curve import (
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    loss_curve,
    smoothed,
    step_ticks,
    ticks,
    write_curve,
)

SVG = "{http://www.w3.org/2000/svg}"


def lines_of(svg: str) -> dict[str, list[tuple[float, float]]]:
    """{title: points} of the titled lines."""
    found = {}
    for line in ET.fromstring(svg).iter(f"{SVG}polyline"):
        title = line.find(f"{SVG}title")
        if title is not None:
            found[str(title.text)] = [tuple(map(float, p.split(","))) for p in line.get("points", "").split()]
    return found  # type: ignore[return-value]


def test_steps_lie_on_a_logarithmic_axis_and_losses_on_a_linear_one() -> None:
    points = lines_of(loss_curve([(1, 4.0), (10, 3.0), (100, 2.0)]))["loss of each step"]
    (x0, y0), (x1, y1), (x2, y2) = points
    assert (x0, x2) == (LEFT, WIDTH - RIGHT)
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y1 - y0 == pytest.approx(y2 - y1, abs=0.2)
    assert TOP < y0 < y2 < HEIGHT


def test_held_out_losses_are_points_that_name_their_step_and_value() -> None:
    svg = loss_curve([(step, 1.0 + 1 / step) for step in range(1, 21)], [(10, 1.25), (20, 1.125)])
    titles = [title.text for title in ET.fromstring(svg).iter(f"{SVG}title")]
    assert "step 10: held-out loss 1.2500" in titles
    assert "step 20: held-out loss 1.1250" in titles
    assert {"loss of each step", "loss, smoothed", "held-out loss"} <= set(titles)


def test_what_was_measured_before_training_lies_left_of_the_first_step() -> None:
    svg = loss_curve([(1, 2.0), (2, 1.5)], [(0, 2.5), (2, 1.75)], [(0, 0.5), (2, 1.0)])
    found = lines_of(svg)
    assert found["held-out loss"][0][0] == found["loss of old rows"][0][0] == LEFT
    assert found["loss of each step"][0][0] > LEFT
    assert found["held-out loss"][1][0] == found["loss of each step"][1][0] == WIDTH - RIGHT
    titles = [title.text for title in ET.fromstring(svg).iter(f"{SVG}title")]
    assert {"step 0: held-out loss 2.5000", "step 2: loss of old rows 1.0000"} <= set(titles)
    assert ">old rows</text>" in svg


def test_the_smoothed_line_is_the_mean_of_the_steps_around() -> None:
    points = [(float(step), random.Random(step).random()) for step in range(1, 200)]
    for (step, value), (same, _) in zip(smoothed(points), points, strict=True):
        around = [y for x, y in points if step / 1.15 <= x <= step * 1.15]
        assert step == same
        assert value == pytest.approx(sum(around) / len(around), rel=1e-12)


@pytest.mark.slow
def test_a_long_run_stays_a_small_file_that_keeps_its_peaks() -> None:
    train = [(step, 2.0 + math.sin(step)) for step in range(1, 100_001)]
    train[77_000] = (77_001, 9.0)
    svg = loss_curve(train)
    assert len(svg) < 80_000
    points = lines_of(svg)["loss of each step"]
    alone = lines_of(loss_curve([(1, 1.0), (77_001, 9.0), (100_000, 1.0)]))["loss of each step"][1]
    assert min(points, key=lambda point: point[1])[0] == pytest.approx(alone[0], abs=0.1)


losses = st.floats(allow_nan=True).filter(lambda x: not 1e9 < abs(x) < math.inf) | st.sampled_from(
    [math.inf, math.nan, 0.0]
)


@given(st.lists(losses, max_size=30), st.lists(losses, max_size=3))
def test_any_run_gives_a_well_formed_drawing(train: list[float], held_out: list[float]) -> None:
    steps = list(enumerate(train, 1))
    svg = loss_curve(steps, list(enumerate(held_out, 1)))
    assert ET.fromstring(loss_curve(steps, list(enumerate(held_out)), list(enumerate(held_out))))
    for element in ET.fromstring(svg).iter():
        assert "nan" not in " ".join(element.attrib.values())
    assert svg == loss_curve(steps, list(enumerate(held_out, 1)))


def test_ticks_are_round_and_few() -> None:
    assert ticks(0.03, 0.97) == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert ticks(1.8, 4.2) == pytest.approx([2.0, 2.5, 3.0, 3.5, 4.0])
    assert step_ticks(60) == [1, 2, 5, 10, 20, 50]
    assert step_ticks(3_000_000) == [10**power for power in range(7)]


def test_a_resumed_run_is_drawn_whole_and_its_directory_hashes_alike_without_it(tmp_path: Path) -> None:
    from sft_cli.run.manifest import input_entry

    metrics = tmp_path / "metrics.jsonl"
    rows = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.5, "eval_loss": 1.75}, {"step": 3, "eval_loss": 1.5}]
    metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))
    before = input_entry(str(tmp_path))["sha256"]
    write_curve(metrics, tmp_path / "loss.svg")
    assert input_entry(str(tmp_path))["sha256"] == before
    found = lines_of((tmp_path / "loss.svg").read_text())
    assert {title: len(points) for title, points in found.items()} == {"loss of each step": 2, "held-out loss": 2}
