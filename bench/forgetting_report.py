"""What the forgetting benches print: exact paired tests over seeds, Holm's correction, a table, a plot."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from typing import Any

COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2", "#97bbf5", "#9c6b4e", "#9498a0")


def sign_flip_p(differences: list[float]) -> float:
    """Two-sided p of the exact paired permutation test: over all signs, how often the mean is as far from 0."""
    observed = abs(sum(differences)) - 1e-12
    signs = itertools.product((1, -1), repeat=len(differences))
    sums = [abs(sum(s * d for s, d in zip(each, differences, strict=True))) for each in signs]
    return sum(total >= observed for total in sums) / len(sums)


def holm(values: list[float]) -> list[float]:
    """Holm's adjusted p-values (Holm 1979)."""
    order = sorted(range(len(values)), key=values.__getitem__)
    adjusted, highest = [0.0] * len(values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = highest
    return adjusted


def interval(values: list[float], draws: int = 10_000) -> tuple[float, float]:
    """The 95 % percentile interval of the mean over resampled seeds."""
    draw = random.Random(0)
    means = sorted(statistics.fmean(draw.choices(values, k=len(values))) for _ in range(draws))
    return means[int(0.025 * draws)], means[int(0.975 * draws) - 1]


def percent(values: list[float]) -> str:
    """`93.1 [91.0, 95.2]`."""
    return _shown({"value": statistics.fmean(values), "interval": interval(values)})


def table(entries: list[dict[str, Any]]) -> str:
    """Markdown: a line for each method."""
    lines = [
        "| method | knob | old tasks, % | new task, % | p against naive | Holm | s |",
        "|---|---|---|---|---|---|---|",
    ]
    for entry in entries:
        p = "" if math.isnan(entry["p"]) else f"{entry['p']:.4f}"
        corrected = f"{entry['holm']:.4f}" if "holm" in entry else ""
        note = {True: ", identical to the bit", False: ", NOT identical"}.get(entry.get("is_identical", ""), "")
        lines.append(
            f"| {entry['method']} | {entry['knob']:g} | {percent(entry['old'])}{note} | {percent(entry['new'])} | "
            f"{p} | {corrected} | {statistics.fmean(entry['seconds']):.1f} |"
        )
    return "\n".join(lines)


def table_of_sequences(found: dict[str, dict[str, Any]]) -> str:
    """Markdown: a line for each run of a sequence, from `sft compare --forgetting --json`; the first is compared with.

    removed: the share of the first run's forgetting that another does without; its interval is that of the difference,
    over the first run's forgetting as it was found. against first: the newest task, less that of the first run.
    """
    lines = [
        "| run | average, % | forgetting, points | removed, % | newest, % | against first | learning, % | "
        "general text, nats |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for run, each in found.items():
        figures = each["figures"]
        forgetting, removed = figures["forgetting"], ""
        if "difference" in forgetting and forgetting["against"] > 0:
            of = -100 / forgetting["against"]
            high, low = forgetting["difference_interval"]
            value, low, high = (of * each + 0.0 for each in (forgetting["difference"], low, high))  # + 0: no "-0"
            removed = f"{value:.0f} [{low:.0f}, {high:.0f}], p {forgetting['p']:.4f}"
        newest, cost = figures["newest"], ""
        if "difference" in newest:
            cost = _shown({"value": newest["difference"], "interval": newest["difference_interval"]}, "+.1f")
        cells = [run, _shown(figures["average"]), _shown(forgetting), removed, _shown(newest), cost]
        cells += [_shown(figures["learning"]), _shown(figures["delta_nll:general"], "+.3f", scale=1)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _shown(figure: dict[str, Any], form: str = ".1f", scale: float = 100) -> str:
    value, low, high = (f"{scale * each:{form}}" for each in (figure["value"], *figure["interval"]))
    return f"{value} [{low}, {high}]"


def plot(points: dict[str, list[tuple[float, float, float]]], width: int = 640, height: int = 480) -> str:
    """SVG: new task to the right, old tasks upwards, each method's strengths as one line. points: (knob, new, old)."""

    def place(new: float, old: float) -> tuple[float, float]:
        return 60 + new * (width - 220), height - 50 - old * (height - 80)

    (left, bottom), (right, top) = place(0, 0), place(1, 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<path d="M{left},{top}V{bottom}H{right}" fill="none" stroke="#333"/>',
        f'<text x="{(left + right) / 2}" y="{height - 12}" text-anchor="middle">new task, % right</text>',
        f'<text x="14" y="{(top + bottom) / 2}" transform="rotate(-90 14 {(top + bottom) / 2})" text-anchor="middle">'
        "old tasks, % right</text>",
    ]
    for tick in (0, 0.25, 0.5, 0.75, 1):
        (x, _), (_, y) = place(tick, 0), place(0, tick)
        parts.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{100 * tick:g}</text>')
        parts.append(f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{100 * tick:g}</text>')
    for number, (name, each) in enumerate(points.items()):
        colour = COLOURS[number % len(COLOURS)]
        dash = "" if number < len(COLOURS) else ' stroke-dasharray="4 3"'
        places = [place(new, old) for _, new, old in each]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"{dash}/>')
        for (knob, _, _), (x, y) in zip(each, places, strict=True):
            parts.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"><title>{name} {knob:g}</title></circle>'
            )
        y = 30 + 18 * number
        parts.append(f'<path d="M{width - 150},{y - 4}h20" stroke="{colour}" stroke-width="3"{dash}/>')
        parts.append(f'<text x="{width - 124}" y="{y}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])
