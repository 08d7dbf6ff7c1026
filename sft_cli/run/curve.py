"""The loss curve of a run as an SVG file, drawn from its metrics alone: the same metrics give the same bytes."""

from __future__ import annotations

import json
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, groupby
from pathlib import Path

Point = tuple[float, float]
WIDTH, HEIGHT = 800, 440
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 44, 48
WINDOW = 1.15  # the smoothed line is the mean of the steps from s/1.15 to 1.15·s: an even width on a logarithmic axis
LEAST_STEPS = 12  # fewer are not smoothed
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#333}.grid{stroke:#ddd}.raw{stroke:#9ec5e8;stroke-width:1}"
    ".smooth{stroke:#1565a8;stroke-width:2.2}.held{stroke:#d9480f;stroke-width:1.4;stroke-dasharray:5 4}"
    "polyline{fill:none;stroke-linejoin:round}circle{fill:#d9480f}"
)


def write_curve(metrics: Path, target: Path) -> None:
    """Draw the losses of a metrics.jsonl."""
    lines = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    train = [(line["step"], line["loss"]) for line in lines if "loss" in line]
    held_out = [(line["step"], line["eval_loss"]) for line in lines if "eval_loss" in line]
    target.write_text(loss_curve(train, held_out), encoding="utf-8", newline="\n")


def loss_curve(train: Sequence[Point], held_out: Sequence[Point] = ()) -> str:
    """An SVG of the loss over the steps (from 1, logarithmic): each step, a smoothed line, the held-out losses."""
    train, held_out = _finite(train), _finite(held_out)
    points = [*train, *held_out]
    last = max((step for step, _ in points), default=1.0)
    bottom, top = _range([value for _, value in points])
    span = math.log(max(last, 2))

    def place(step: float, value: float) -> Point:
        x = LEFT + (WIDTH - LEFT - RIGHT) * math.log(step) / span
        return round(x, 1), round(TOP + (HEIGHT - TOP - BOTTOM) * (top - value) / (top - bottom), 1)

    smooth = smoothed(train) if len(train) >= LEAST_STEPS else []
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>Loss over {last:,.0f} steps</title>",
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *_axes(last, bottom, top, place),
        _line("raw" if smooth else "smooth", "loss of each step", [place(*point) for point in train]),
        _line("smooth", "loss, smoothed", [place(*point) for point in smooth]),
        _line("held", "held-out loss", [place(*point) for point in held_out]),
        *(_dot(place(*point), f"step {point[0]:,.0f}: held-out loss {point[1]:.4f}") for point in held_out),
        *_legend(bool(smooth), bool(held_out)),
        "</svg>\n",
    ]
    return "\n".join(part for part in parts if part)


def smoothed(points: Sequence[Point]) -> list[Point]:
    """The mean loss of the steps from s/1.15 to 1.15·s, for each step s."""
    steps, sums = [step for step, _ in points], [0.0, *accumulate(value for _, value in points)]
    ranges = [(bisect_left(steps, step / WINDOW), bisect_right(steps, step * WINDOW)) for step in steps]
    return [(step, (sums[b] - sums[a]) / (b - a)) for step, (a, b) in zip(steps, ranges, strict=True)]


def ticks(low: float, high: float, count: int = 7) -> list[float]:
    """Round numbers from `low` to `high`, about `count` of them, 1, 2 or 5 times a power of ten apart."""
    power = 10.0 ** math.floor(math.log10((high - low) / count))
    size = next(power * factor for factor in (1, 2, 5, 10) if (high - low) / (power * factor) <= count)
    return [number * size for number in range(math.ceil(low / size - 1e-9), math.floor(high / size + 1e-9) + 1)]


def step_ticks(last: float) -> list[int]:
    """1, 2, 5, 10, … to the last step; powers of ten alone where that would be too many; two at least."""
    found = [factor * 10**power for power in range(12) for factor in (1, 2, 5) if factor * 10**power <= last]
    return found if len(found) <= 12 else [step for step in found if str(step)[0] == "1"]


def _finite(points: Iterable[Point]) -> list[Point]:
    return [(step, value) for step, value in points if math.isfinite(value) and step >= 1]


def _range(values: Sequence[float]) -> Point:
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = (high - low) * 0.05 or max(abs(high) * 0.1, 0.1)
    return max(0.0, low - margin) if low >= 0 else low - margin, high + margin


def _axes(last: float, bottom: float, top: float, place: Callable[[float, float], Point]) -> list[str]:
    lines = []
    values = ticks(bottom, top)
    decimals = max(0, -math.floor(math.log10(values[1] - values[0]) + 1e-9)) if len(values) > 1 else 2
    for value in values:
        _, y = place(1, value)
        lines += [
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>',
            f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{value:.{decimals}f}</text>',
        ]
    for step in step_ticks(last):
        x, _ = place(step, bottom)
        lines += [
            f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>',
            f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{step:,}</text>',
        ]
    middle = (WIDTH + LEFT - RIGHT) // 2
    lines.append(f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">step (logarithmic)</text>')
    lines.append(f'<text x="{LEFT - 48}" y="{TOP - 24}">loss (nats per target token)</text>')
    return lines


def _line(style: str, title: str, points: Sequence[Point]) -> str:
    if not points:
        return ""
    thin = _thinned(points)
    if len(thin) == 1 and style != "held":
        return f'<circle cx="{thin[0][0]}" cy="{thin[0][1]}" r="3" style="fill:#1565a8"><title>{title}</title></circle>'
    shown = " ".join(f"{x:g},{y:g}" for x, y in thin)
    return f'<polyline class="{style}" points="{shown}"><title>{title}</title></polyline>'


def _thinned(points: Sequence[Point]) -> list[Point]:
    """The first, lowest, highest and last point of each column of pixels: what is drawn looks the same."""
    kept = []
    for _, column in groupby(points, key=lambda point: round(point[0])):
        members = list(column)
        lowest, highest = (pick(range(len(members)), key=lambda i: members[i][1]) for pick in (min, max))
        kept += [members[i] for i in sorted({0, lowest, highest, len(members) - 1})]
    return kept


def _dot(at: Point, title: str) -> str:
    return f'<circle cx="{at[0]:g}" cy="{at[1]:g}" r="3.5"><title>{title}</title></circle>'


def _legend(has_smooth: bool, has_held_out: bool) -> list[str]:
    entries = [("raw", "each step"), ("smooth", "smoothed")] if has_smooth else [("smooth", "each step")]
    entries += [("held", "held out")] if has_held_out else []
    lines = []
    for number, (style, name) in enumerate(reversed(entries)):
        x = WIDTH - RIGHT - 110 * (number + 1)
        lines.append(f'<polyline class="{style}" points="{x},{TOP - 28} {x + 28},{TOP - 28}"/>')
        if style == "held":
            lines.append(_dot((x + 14, TOP - 28), name))
        lines.append(f'<text x="{x + 34}" y="{TOP - 24}">{name}</text>')
    return lines
