"""--fail-if-worse: which comparisons are tested, and whether all of them pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sft_cli.report.comparison import Comparison, Draws
from sft_cli.report.intervals import too_few
from sft_cli.report.statistics import holm
from sft_cli.run.errors import UserError
from sft_cli.run.text import counted


@dataclass(frozen=True)
class Limit:
    """One --fail-if-worse: a value, and by how much it may be worse; None: as much as chance explains."""

    value: str
    most: float | None


@dataclass(frozen=True)
class Test:
    """One comparison that a gate judges. p: of no difference, after Holm's correction over all tests by chance.

    verdict: pass, fail, or `not judged`, with the reason.
    """

    value: str
    group: str | None
    base: str
    other: str
    limit: float | None
    n: int
    difference: float | None
    p: float | None
    hidden_drop: float | None
    verdict: str
    reason: str

    @property
    def place(self) -> str:
        """The rows that it is about."""
        return "all" if self.group is None else self.group


@dataclass(frozen=True)
class Outcome:
    """The result of the gate. `missing`: the rows that are not in all files, as a reason to fail.

    Empty if it is not.
    """

    tests: list[Test]
    missing: Sequence[str]
    confidence: float

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.missing and all(test.verdict != "fail" for test in self.tests)

    @property
    def line(self) -> str:
        """PASS or FAIL, and why."""
        if not self.passed:
            return "FAIL: " + "; ".join([*self.missing, *(t.reason for t in self.tests if t.verdict == "fail")])
        return "PASS: " + "; ".join([*self._held(), *self._unsure()])

    def _held(self) -> list[str]:
        """What was tested, for each value and limit."""
        parts = []
        for value, limit in dict.fromkeys((test.value, test.limit) for test in self.tests):
            mine = [t for t in self.tests if (t.value, t.limit) == (value, limit) and t.verdict == "pass"]
            if not mine:
                continue
            how = "significantly worse" if limit is None else f"worse by more than {limit:g}"
            over = ", ".join(dict.fromkeys(test.place for test in mine))
            parts.append(f"{value} is not {how} in {counted(len(mine), 'test')} ({over})")
        return parts or ["no comparison could be judged"]

    def _unsure(self) -> list[str]:
        """The drops that the tests cannot detect, and the tests that were not judged."""
        parts = []
        for value in dict.fromkeys(test.value for test in self.tests):
            seen = [t for t in self.tests if t.value == value and t.verdict == "pass" and t.hidden_drop]
            if seen:
                worst = max(seen, key=lambda test: test.hidden_drop or 0)
                parts.append(
                    f"not excluded: a drop of up to {worst.hidden_drop:.4f} in {worst.place} "
                    f"({self.confidence * 100:g}% interval, n {worst.n:,})"
                )
        unjudged = [
            f"{test.value} in {test.place} ({test.reason})" for test in self.tests if test.verdict == "not judged"
        ]
        return [*parts, *([f"not judged: {', '.join(unjudged)}"] if unjudged else [])]

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {"passed": self.passed, "reason": self.line, "tests": [asdict(test) for test in self.tests]}


def judge(comparisons: list[Comparison], limits: list[Limit], draws: Draws, missing: Sequence[str] = ()) -> Outcome:
    """Test every comparison that a limit names, overall and in each group.

    Raises UserError if there are too few draws for the number of tests to distinguish chance from a drop.
    """
    pairs = [(limit, comparison) for limit in limits for comparison in comparisons if comparison.value == limit.value]
    by_chance = [comparison for limit, comparison in pairs if limit.most is None and not too_few(comparison.clusters)]
    most = 1 - draws.confidence
    if len(by_chance) / (draws.count + 1) >= most:
        raise UserError(
            f"--draws {draws.count}: expected more for {counted(len(by_chance), 'tested comparison')}, because "
            "p-values are "
            f"corrected for the number of comparisons\nhint: --draws {int(2 * len(by_chance) / most)}"
        )
    corrected = dict(zip(map(id, by_chance), holm([comparison.p for comparison in by_chance]), strict=True))
    tests = [_test(limit, comparison, corrected.get(id(comparison)), most) for limit, comparison in pairs]
    return Outcome(tests, list(missing), draws.confidence)


def _test(limit: Limit, comparison: Comparison, p: float | None, most: float) -> Test:
    drop = f"{comparison.value}: {comparison.other} is worse than {comparison.base} by {-comparison.gain:.4f}"
    place = "" if comparison.group is None else f" in {comparison.group}"
    verdict, reason = "pass", ""
    if why := too_few(comparison.clusters) or ("" if comparison.difference is not None else comparison.no_interval):
        verdict, reason = "not judged", why
    elif limit.most is None and p is not None and p < most and comparison.gain < 0:
        bounds = "interval [{:+.4f}, {:+.4f}], ".format(*comparison.interval) if comparison.interval else ""
        verdict, reason = "fail", f"{drop}{place} ({bounds}p {p:.4f})"
    elif limit.most is not None and comparison.gain < -limit.most:
        verdict, reason = "fail", f"{drop}{place} (more than {limit.most:g})"
    return Test(
        value=comparison.value,
        group=comparison.group,
        base=comparison.base,
        other=comparison.other,
        limit=limit.most,
        n=comparison.n,
        difference=comparison.difference,
        p=p,
        hidden_drop=comparison.hidden_drop,
        verdict=verdict,
        reason=reason,
    )


def missing_rows(sizes: dict[str, int], paired: int) -> list[str]:
    """Why missing rows fail a gate: for each file, the number of its rows that are not in all files."""
    lacking = {path: size - paired for path, size in sizes.items() if size > paired}
    if not lacking:
        return []
    listed = ", ".join(f"{count:,} of {sizes[path]:,} rows of {path}" for path, count in lacking.items())
    return [f"{listed} are not in every file (--allow-missing judges the other {paired:,})"]
