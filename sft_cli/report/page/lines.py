"""The tables of the page, as lines of texts."""

from __future__ import annotations

import json
from typing import Any

from sft_cli.report.page.curves import CURVES
from sft_cli.report.page.histogram import bin_names


def table_lines(document: dict[str, Any]) -> dict[str, Any]:
    """What the template shows in tables, by the names that it uses."""
    for file in document["commands"]:
        for step in file["steps"]:
            step["setting_lines"] = _setting_lines(step)
    return {
        "text_lines": _text_lines(document),
        "histogram_lines": {each["name"]: _histogram_lines(each) for each in document["histograms"]},
        "calibration_lines": _calibration_lines(document["calibration"]),
        "forgetting_lines": _figure_lines(document["forgetting"]),
        "curve_titles": {f"curve-{kind.replace('_', '-')}": title for kind, (_, title) in CURVES.items()},
    }


def decimals(value: float | None, sign: str = "", count: int = 4) -> str:
    """A number as the page shows it; a dash if there is none."""
    return "–" if value is None else f"{value:{sign}.{count}f}".replace("-", "−")


def p_text(p: float | None) -> str:
    """A p-value as the page shows it."""
    return "< 0.0001" if p is not None and p < 0.0001 else decimals(p)


def _text_lines(document: dict[str, Any]) -> list[list[str]]:
    """Length and repetition of each system."""
    if not document["histograms"]:
        return []
    lengths, repetition = (each["systems"] for each in document["histograms"])
    return [
        [
            file["label"],
            f"{document['paired']:,}",
            f"{file['cut']:,}",
            f"{length['missing']:,}",
            decimals(length["mean"], count=1),
            decimals(length["median"], count=1),
            decimals(repeated["mean"]),
        ]
        for file, length, repeated in zip(document["files"], lengths, repetition, strict=True)
    ]


def _histogram_lines(each: dict[str, Any]) -> list[list[str]]:
    lines = [
        [name, *(f"{system['counts'][place]:,}" for system in each["systems"])]
        for place, name in enumerate(bin_names(each))
    ]
    return [*lines, ["no value", *(f"{system['missing']:,}" for system in each["systems"])]]


def _calibration_lines(calibration: dict[str, Any] | None) -> list[list[str]]:
    return [
        [
            system["label"],
            f"{each['low']:.1f}–{each['high']:.1f}",
            f"{each['n']:,}",
            decimals(each["confidence"]),
            decimals(each["right"]),
        ]
        for system in (calibration["systems"] if calibration else [])
        for each in system["bins"]
        if each["n"]
    ]


def _figure_lines(document: dict[str, Any] | None) -> list[list[str]]:
    """A line for each figure and method; with several methods also the difference of the first from each other."""
    lines = []
    for name, figure in (document["figures"] if document else {}).items():
        assert document is not None
        for method, each in zip(document["methods"], [figure, *figure["methods"]], strict=True):
            line = [name.replace("_", " "), method, decimals(each["value"]), _bounds(each["interval"])]
            if figure["methods"]:
                is_other = each is not figure
                line += (
                    [decimals(each["difference"], "+"), _bounds(each["difference_interval"], "+")]
                    if is_other
                    else ["", ""]
                )
                line += [p_text(each["p_holm"])] if is_other else [""]
            lines.append(line)
    return lines


def _bounds(interval: list[float] | None, sign: str = "") -> str:
    return f"{decimals(interval[0], sign)} to {decimals(interval[1], sign)}" if interval else "–"


def _setting_lines(step: dict[str, Any]) -> list[list[str]]:
    """Settings, inputs with their hashes, and versions, as names and values."""
    lines = [
        [name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)]
        for name, value in step["settings"].items()
    ]
    for each in step["inputs"]:
        hashed = f"sha256 {each['sha256'][:16]}…" if each["sha256"] else "a name, without a hash"
        lines.append(["input", f"{each['path']} ({hashed})"])
    return [*lines, ["versions", ", ".join(f"{name} {version}" for name, version in step["versions"].items())]]
