"""The loss curve of a run as an SVG file, drawn only from its metrics: equal metrics make equal bytes."""

from __future__ import annotations

import json
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any

Point = tuple[float, float]
WIDTH, HEIGHT = 800, 440
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 44, 48
BEFORE = 40  # from step 0 to step 1
WINDOW = 1.15  # the smoothed line is the mean of steps s/1.15 to 1.15·s: a constant width on a logarithmic axis
LEAST_STEPS = 12  # with fewer steps there is no smoothed line
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#333}.grid{stroke:#ddd}.raw{stroke:#9ec5e8;stroke-width:1}"
    ".smooth{stroke:#1565a8;stroke-width:2.2}.held,.kept{stroke-width:1.4;stroke-dasharray:5 4}"
    ".held{stroke:#d9480f}.kept{stroke:#2b8a3e}polyline{fill:none;stroke-linejoin:round}"
    "circle.held{fill:#d9480f}circle.kept{fill:#2b8a3e}"
)


def read_metrics(metrics: Path) -> list[dict[str, Any]]:
    """The lines of a metrics.jsonl."""
    return [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]


def write_curve(metrics: Path, target: Path) -> None:
    """Draw the losses of a metrics.jsonl."""
    lines = read_metrics(metrics)
    train, held_out, retained = (
        [(line["step"], line[key]) for line in lines if key in line] for key in ("loss", "eval_loss", "retain_loss")
    )
    target.write_text(loss_curve(train, held_out, retained), encoding="utf-8", newline="\n")


def loss_curve(train: Sequence[Point], held_out: Sequence[Point] = (), retained: Sequence[Point] = ()) -> str:
    """An SVG of the loss over the steps (logarithmic): each step, a smoothed line, losses of held-out and old rows.

    Step 0, the measurement before training, is to the left of step 1.
    """
    train = [(step, value) for step, value in _finite(train) if step >= 1]
    measured = {"held": ("held-out loss", _finite(held_out)), "kept": ("loss of old rows", _finite(retained))}
    points = [*train, *(point for _, curve in measured.values() for point in curve)]
    last = max((step for step, _ in points), default=1.0)
    bottom, top = _range([value for _, value in points])
    span, first = math.log(max(last, 2)), LEFT + (BEFORE if any(step < 1 for step, _ in points) else 0)

    def place(step: float, value: float) -> Point:
        x = first + (WIDTH - first - RIGHT) * math.log(step) / span if step >= 1 else LEFT
        return round(x, 1), round(TOP + (HEIGHT - TOP - BOTTOM) * (top - value) / (top - bottom), 1)

    smooth = smoothed(train) if len(train) >= LEAST_STEPS else []
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>Loss over {last:,.0f} steps</title>",
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *_axes([0] * (first > LEFT) + step_ticks(last), bottom, top, place),
        _polyline("raw" if smooth else "smooth", "loss of each step", [place(*point) for point in train]),
        _polyline("smooth", "loss, smoothed", [place(*point) for point in smooth]),
    ]
    for style, (title, curve) in measured.items():
        parts.append(_polyline(style, title, [place(*point) for point in curve]))
        parts += [_dot(style, place(*point), f"step {point[0]:,.0f}: {title} {point[1]:.4f}") for point in curve]
    entries = [("raw", "each step"), ("smooth", "smoothed")] if smooth else [("smooth", "each step")]
    names = {"held": "held out", "kept": "old rows"}
    parts += _legend(entries + [(style, names[style]) for style, (_, curve) in measured.items() if curve])
    return "\n".join(part for part in [*parts, "</svg>\n"] if part)


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
    """1, 2, 5, 10, … to the last step, at least two; only powers of ten if there would be too many."""
    steps = [factor * 10**power for power in range(12) for factor in (1, 2, 5) if factor * 10**power <= last]
    return steps if len(steps) <= 12 else [step for step in steps if str(step)[0] == "1"]


def _finite(points: Iterable[Point]) -> list[Point]:
    return [(step, value) for step, value in points if math.isfinite(value) and step >= 0]


def _range(values: Sequence[float]) -> Point:
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = (high - low) * 0.05 or max(abs(high) * 0.1, 0.1)
    return max(0.0, low - margin) if low >= 0 else low - margin, high + margin


def _axes(steps: Sequence[int], bottom: float, top: float, place: Callable[[float, float], Point]) -> list[str]:
    lines = []
    values = ticks(bottom, top)
    decimals = max(0, -math.floor(math.log10(values[1] - values[0]) + 1e-9)) if len(values) > 1 else 2
    for value in values:
        _, y = place(1, value)
        lines += [
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>',
            f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{value:.{decimals}f}</text>',
        ]
    for step in steps:
        x, _ = place(step, bottom)
        lines += [
            f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>',
            f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{step:,}</text>',
        ]
    middle = (WIDTH + LEFT - RIGHT) // 2
    lines.append(f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">step (logarithmic)</text>')
    lines.append(f'<text x="{LEFT - 48}" y="{TOP - 24}">loss (nats per target token)</text>')
    return lines


def _polyline(style: str, title: str, points: Sequence[Point]) -> str:
    if not points:
        return ""
    thin = _thinned(points)
    if len(thin) == 1 and style in ("raw", "smooth"):
        return f'<circle cx="{thin[0][0]}" cy="{thin[0][1]}" r="3" style="fill:#1565a8"><title>{title}</title></circle>'
    shown = " ".join(f"{x:g},{y:g}" for x, y in thin)
    return f'<polyline class="{style}" points="{shown}"><title>{title}</title></polyline>'


def _thinned(points: Sequence[Point]) -> list[Point]:
    """The first, lowest, highest and last point at each pixel of the width: the line looks the same."""
    kept = []
    for _, column in groupby(points, key=lambda point: round(point[0])):
        members = list(column)
        lowest, highest = (pick(range(len(members)), key=lambda i: members[i][1]) for pick in (min, max))
        kept += [members[i] for i in sorted({0, lowest, highest, len(members) - 1})]
    return kept


def _dot(style: str, at: Point, title: str) -> str:
    return f'<circle class="{style}" cx="{at[0]:g}" cy="{at[1]:g}" r="3.5"><title>{title}</title></circle>'


def _legend(entries: Sequence[tuple[str, str]]) -> list[str]:
    lines = []
    for number, (style, name) in enumerate(reversed(entries)):
        x = WIDTH - RIGHT - 110 * (number + 1)
        lines.append(f'<polyline class="{style}" points="{x},{TOP - 28} {x + 28},{TOP - 28}"/>')
        if style in ("held", "kept"):
            lines.append(_dot(style, (x + 14, TOP - 28), name))
        lines.append(f'<text x="{x + 34}" y="{TOP - 24}">{name}</text>')
    return lines
