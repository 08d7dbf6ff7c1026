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
    """One --fail-if-worse: a value, and by how much it may be worse; None: as far as chance may have done it."""

    value: str
    most: float | None


@dataclass(frozen=True)
class Test:
    """One comparison that a gate looks at. p: of no difference, after Holm's correction over all tests by chance.

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
        """Which rows it is about."""
        return "all" if self.group is None else self.group


@dataclass(frozen=True)
class Outcome:
    """What the gate says. `missing`: rows that are not in all files, and why that fails it; empty if it does not."""

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
            how = "surely worse" if limit is None else f"worse by more than {limit:g}"
            over = ", ".join(dict.fromkeys(test.place for test in mine))
            parts.append(f"{value} is not {how} in {counted(len(mine), 'test')} ({over})")
        return parts or ["nothing could be judged"]

    def _unsure(self) -> list[str]:
        """What the tests cannot see."""
        parts = []
        for value in dict.fromkeys(test.value for test in self.tests):
            seen = [t for t in self.tests if t.value == value and t.verdict == "pass" and t.hidden_drop]
            if seen:
                worst = max(seen, key=lambda test: test.hidden_drop or 0)
                parts.append(
                    f"the {self.confidence * 100:g}% interval leaves room for a drop of {worst.hidden_drop:.4f} in "
                    f"{worst.place} (n {worst.n:,})"
                )
        unjudged = [
            f"{test.value} in {test.place} ({test.reason})" for test in self.tests if test.verdict == "not judged"
        ]
        return [*parts, *([f"not judged: {', '.join(unjudged)}"] if unjudged else [])]

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {"passed": self.passed, "reason": self.line, "tests": [asdict(test) for test in self.tests]}


def judge(comparisons: list[Comparison], limits: list[Limit], draws: Draws, missing: Sequence[str] = ()) -> Outcome:
    """Test every comparison, overall and of each group, that a limit names.

    Raises UserError if there are so many tests that the draws cannot tell chance from a drop.
    """
    pairs = [(limit, found) for limit in limits for found in comparisons if found.value == limit.value]
    by_chance = [found for limit, found in pairs if limit.most is None and not too_few(found.clusters)]
    most = 1 - draws.confidence
    if len(by_chance) / (draws.count + 1) >= most:
        raise UserError(
            f"--draws {draws.count}: too few for {counted(len(by_chance), 'gated test')}, whose p-values are corrected "
            f"for their number\nhint: --draws {int(2 * len(by_chance) / most)}"
        )
    corrected = dict(zip(map(id, by_chance), holm([found.p for found in by_chance]), strict=True))
    tests = [_test(limit, found, corrected.get(id(found)), most) for limit, found in pairs]
    return Outcome(tests, list(missing), draws.confidence)


def _test(limit: Limit, found: Comparison, p: float | None, most: float) -> Test:
    drop = f"{found.value}: {found.other} is worse than {found.base} by {-found.gain:.4f}"
    place = "" if found.group is None else f" in {found.group}"
    verdict, reason = "pass", ""
    if why := too_few(found.clusters) or ("" if found.difference is not None else found.no_interval):
        verdict, reason = "not judged", why
    elif limit.most is None and p is not None and p < most and found.gain < 0:
        bounds = "interval [{:+.4f}, {:+.4f}], ".format(*found.interval) if found.interval else ""
        verdict, reason = "fail", f"{drop}{place} ({bounds}p {p:.4f})"
    elif limit.most is not None and found.gain < -limit.most:
        verdict, reason = "fail", f"{drop}{place} (more than {limit.most:g})"
    return Test(
        value=found.value,
        group=found.group,
        base=found.base,
        other=found.other,
        limit=limit.most,
        n=found.n,
        difference=found.difference,
        p=p,
        hidden_drop=found.hidden_drop,
        verdict=verdict,
        reason=reason,
    )


def missing_rows(sizes: dict[str, int], paired: int) -> list[str]:
    """Why rows that some file lacks fail a gate: of each file, how many of its rows are not in all."""
    lacking = {path: size - paired for path, size in sizes.items() if size > paired}
    if not lacking:
        return []
    listed = ", ".join(f"{count:,} of {sizes[path]:,} rows of {path}" for path, count in lacking.items())
    return [f"{listed} are not in every file (--allow-missing judges the {paired:,} that are)"]
