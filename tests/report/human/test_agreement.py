"""Agreement is equal to the reference packages, on random ratings with gaps and on ratings that people gave."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.report.human.agreement import (
    ALPHA_LEVELS,
    categories_of,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
    percent_of_units,
)

LABELS = st.sampled_from([-1, 0, 1, 3])
TABLES = st.integers(2, 4).flatmap(
    lambda raters: st.lists(st.lists(LABELS | st.none(), min_size=raters, max_size=raters), min_size=2, max_size=30)
)


def units_of(table: list[list[Any]]) -> list[list[Any]]:
    return [[label for label in row if label is not None] for row in table]


def same(ours: float, theirs: float) -> bool:
    return (numpy.isnan(ours) and numpy.isnan(theirs)) or ours == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("level", ALPHA_LEVELS)
@given(table=TABLES)
def test_alpha_equals_the_package_krippendorff(level: str, table: list[list[Any]]) -> None:
    krippendorff = pytest.importorskip("krippendorff")
    paired = [unit for unit in units_of(table) if len(unit) >= 2]
    if len(categories_of(paired)) < 2:
        assert numpy.isnan(krippendorff_alpha(units_of(table), level))
        return
    data = numpy.array([[numpy.nan if label is None else label for label in row] for row in table], dtype=float).T
    theirs = krippendorff.alpha(reliability_data=data, level_of_measurement=level)
    # Labels of units with one rating have no influence on the categories between two others.
    assert same(krippendorff_alpha(paired, level), theirs)


@given(table=TABLES)
def test_fleiss_equals_the_package_irrcac(table: list[list[Any]]) -> None:
    raw = pytest.importorskip("irrCAC.raw")
    import pandas

    rated = [row for row in table if any(label is not None for label in row)]
    units = units_of(rated)
    if len(categories_of(units)) < 2 or not any(len(unit) >= 2 for unit in units) or len(units) < 2:
        return
    theirs = raw.CAC(pandas.DataFrame(rated, dtype=float), digits=15).fleiss()["est"]
    assert fleiss_kappa(units) == pytest.approx(theirs["coefficient_value"], abs=1e-9)
    assert percent_of_units(units) == pytest.approx(theirs["pa"], abs=1e-9)


@given(pairs=st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=30))
def test_cohen_equals_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    first, second = zip(*pairs, strict=True)
    if len({*first, *second}) < 2:
        assert numpy.isnan(cohen_kappa(first, second))  # chance agrees as often: no value, not a perfect one
        return
    assert cohen_kappa(first, second) == pytest.approx(metrics.cohen_kappa_score(first, second), abs=1e-9)


def test_alpha_of_the_published_example() -> None:
    # Krippendorff 2011, "Computing Krippendorff's alpha-reliability", section C: four observers, nominal and interval.
    nan = None
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
        [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
    ]
    units = units_of([list(unit) for unit in zip(*observers, strict=True)])
    paired = [unit for unit in units if len(unit) >= 2]
    assert krippendorff_alpha(paired, "nominal") == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha(paired, "ordinal") == pytest.approx(0.815, abs=5e-4)
    assert krippendorff_alpha(paired, "interval") == pytest.approx(0.849, abs=5e-4)


def test_fleiss_of_the_published_example() -> None:
    # Fleiss 1971, table 1, as Wikipedia's "Fleiss' kappa" has it: 10 subjects, 14 raters, 5 categories.
    counts = [
        *((0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1)),
        *((7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7)),
    ]
    units = [[label for label, count in enumerate(row) for _ in range(count)] for row in counts]
    assert fleiss_kappa(units) == pytest.approx(0.210, abs=5e-4)


def pandalm() -> Path | None:
    """The file of 999 pairs with three annotators each, in `shared/data` beside the repository or above it."""
    folders = [folder / "shared" / "data" / "human" for folder in Path(__file__).resolve().parents]
    return next((path for path in (folder / "pandalm_testset.json" for folder in folders) if path.is_file()), None)


@pytest.mark.skipif(pandalm() is None, reason="there is no shared/data/human/pandalm_testset.json")
def test_agreement_of_the_annotators_of_pandalm() -> None:
    raw, krippendorff = pytest.importorskip("irrCAC.raw"), pytest.importorskip("krippendorff")
    metrics = pytest.importorskip("sklearn.metrics")
    import pandas

    path = pandalm()
    assert path is not None
    rows = json.loads(path.read_text(encoding="utf-8"))
    units = [[int(row[f"annotator{number}"]) for number in (1, 2, 3)] for row in rows]
    assert len(units) == 999
    assert fleiss_kappa(units) == pytest.approx(0.864, abs=5e-4)
    theirs = raw.CAC(pandas.DataFrame(units, dtype=float), digits=15).fleiss()["est"]
    assert fleiss_kappa(units) == pytest.approx(theirs["coefficient_value"], abs=1e-9)
    for level in ALPHA_LEVELS:
        expected = krippendorff.alpha(reliability_data=numpy.array(units, dtype=float).T, level_of_measurement=level)
        assert krippendorff_alpha(units, level) == pytest.approx(expected, abs=1e-9)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        first, second = [unit[one] for unit in units], [unit[other] for unit in units]
        assert cohen_kappa(first, second) == pytest.approx(metrics.cohen_kappa_score(first, second), abs=1e-9)
    assert Counter(len(set(unit)) for unit in units)[1] / 999 > 0.8
