"""--gate and --fail-if-worse: what is tested, whether all tests pass, and one line that says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sft_cli.report.comparison import Comparison, Draws
from sft_cli.report.gate_expressions import LOWER, POINT, SIGNIFICANT, UPPER, Gate
from sft_cli.report.intervals import too_few
from sft_cli.report.verdict import TOO_LITTLE, WORSE, verdict_of
from sft_cli.run.context import Run
from sft_cli.run.errors import AnswerIsNo, UserError
from sft_cli.run.text import counted

Bounds = tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A value that gates can judge: of all rows (group None) or of a group. p: of no difference, after correction.

    bounds: the interval of the value; difference_bounds: that of the difference from the base. missing: why there is no
    value or interval. word: the verdict on the comparison.
    """

    value: str
    group: str | None
    base: str
    other: str
    n: int
    number: float | None
    bounds: Bounds
    difference: float | None = None
    difference_bounds: Bounds = None
    p: float | None = None
    hidden_drop: float | None = None
    missing: str = ""
    word: str = ""

    @classmethod
    def of(cls, comparison: Comparison) -> Judged:
        """What a comparison found."""
        missing = too_few(comparison.clusters)
        if comparison.difference is None:
            missing = missing or comparison.no_interval or "no value"
        return cls(
            value=comparison.value,
            group=comparison.group,
            base=comparison.base,
            other=comparison.other,
            n=comparison.n,
            number=comparison.other_value,
            bounds=comparison.other_interval,
            difference=comparison.difference,
            difference_bounds=comparison.interval,
            p=comparison.p_holm,
            hidden_drop=comparison.hidden_drop,
            missing=missing,
            word=verdict_of(comparison).word,
        )


@dataclass(frozen=True)
class Test:
    """One value that one gate judges. p: of no difference, after Holm's correction over all tests by chance.

    limit: the number of the gate. verdict: pass, fail, or `not judged`, with the reason.
    """

    gate: str
    how: str
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
    word: str

    @property
    def place(self) -> str:
        """The rows that it is about."""
        return "all" if self.group is None else self.group


@dataclass(frozen=True)
class Outcome:
    """The result of all gates. `missing`: the rows that are not in all files, as a reason to fail.

    needs_power: too little data is a reason to fail.
    """

    tests: list[Test]
    missing: Sequence[str]
    confidence: float
    needs_power: bool = False

    @property
    def reasons(self) -> list[str]:
        """Why it fails; empty if it passes."""
        reasons = [*self.missing, *(test.reason for test in self.tests if test.verdict == "fail")]
        if self.needs_power:
            unsure = {
                f"{test.value} in {test.place} ({test.reason or test.word})": None
                for test in self.tests
                if test.verdict == "not judged" or (test.verdict == "pass" and test.word == TOO_LITTLE)
            }
            reasons += [f"too little data to judge: {', '.join(unsure)} (--require-power)"] if unsure else []
        return reasons

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.reasons

    @property
    def word(self) -> str:
        """PASS or FAIL."""
        return "PASS" if self.passed else "FAIL"

    @property
    def parts(self) -> list[str]:
        """Why it fails; otherwise what was tested, and what the tests cannot see."""
        return self.reasons or [*self._held(), *self._unsure()]

    @property
    def line(self) -> str:
        """PASS or FAIL, and why."""
        return f"{self.word}: {'; '.join(self.parts)}"

    def _held(self) -> list[str]:
        """What was tested, for each gate."""
        parts = []
        for gate in dict.fromkeys(test.gate for test in self.tests):
            mine = [test for test in self.tests if test.gate == gate and test.verdict == "pass"]
            if mine:
                over = ", ".join(dict.fromkeys(test.place for test in mine))
                parts.append(f"{gate} in {counted(len(mine), 'test')} ({over})")
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


def judge(
    values: list[Judged], gates: list[Gate], draws: Draws, missing: Sequence[str] = (), needs_power: bool = False
) -> Outcome:
    """Apply every gate to every value that it is about.

    Raises UserError if there are too few draws for the number of tests to distinguish chance from a drop.
    """
    pairs = [(gate, value) for gate in gates for value in values if gate.is_about(value.value, value.group)]
    for gate in gates:
        if not any(gate is own for own, _ in pairs):
            raise UserError(f"--gate {gate.text}: no rows to judge\nhint: name a task, for example TASK.{gate.value}")
    by_chance = sum(gate.by_chance and not value.missing for gate, value in pairs)
    most = 1 - draws.confidence
    if by_chance / (draws.count + 1) >= most:
        raise UserError(
            f"--draws {draws.count}: expected more for {counted(by_chance, 'tested comparison')}, because "
            "p-values are "
            f"corrected for the number of comparisons\nhint: --draws {int(2 * by_chance / most)}"
        )
    return Outcome([_test(gate, value) for gate, value in pairs], list(missing), draws.confidence, needs_power)


def _test(gate: Gate, value: Judged) -> Test:
    number, bounds = (value.difference, value.difference_bounds) if gate.is_relative else (value.number, value.bounds)
    verdict, reason = "pass", ""
    if value.missing:
        verdict, reason = "not judged", value.missing
    elif gate.by_chance:
        if value.word == WORSE:
            shown = "interval [{:+.4f}, {:+.4f}], ".format(*bounds) if bounds else ""
            verdict, reason = "fail", f"{_drop(gate, value)} ({shown}p {value.p:.4f})"
    elif gate.how != POINT and bounds is None:
        verdict, reason = "not judged", "no interval"
    elif not gate.holds(_judged_number(gate, number, bounds)):
        verdict, reason = "fail", _broken(gate, value, bounds)
    return Test(
        gate=gate.text,
        how=gate.how,
        value=value.value,
        group=value.group,
        base=value.base,
        other=value.other,
        limit=None if gate.by_chance else abs(gate.number) if gate.is_shorthand else gate.number,
        n=value.n,
        difference=value.difference,
        p=value.p if gate.by_chance and not value.missing else None,
        hidden_drop=value.hidden_drop if gate.is_relative else None,
        verdict=verdict,
        reason=reason,
        word=value.word,
    )


def _judged_number(gate: Gate, number: float | None, bounds: Bounds) -> float:
    """The number itself; the bound on the bad side; or, if the drop must be significant, the bound on the good side."""
    if gate.how == POINT or bounds is None:
        return number or 0.0
    low, high = bounds
    if gate.how == SIGNIFICANT:
        return high if gate.sign > 0 else low
    return {LOWER: low, UPPER: high}[gate.how]


def _drop(gate: Gate, value: Judged) -> str:
    place = "" if value.group is None else f" in {value.group}"
    return f"{value.value}: {value.other} is worse than {value.base} by {abs(value.difference or 0):.4f}{place}"


def _broken(gate: Gate, value: Judged, bounds: Bounds) -> str:
    if gate.is_shorthand:
        return f"{_drop(gate, value)} (more than {abs(gate.number):g})"
    place = "" if value.group is None else f" in {value.group}"
    shown = ", interval [{:.4f}, {:.4f}]".format(*bounds) if bounds else ""
    if gate.is_relative:
        change = f"{value.difference:+.4f}"
        return f"{gate.text}: {value.value} of {value.other} changed by {change}{place}{shown}"
    return f"{gate.text}: {value.value} of {value.other} is {value.number:.4f}{place}{shown}"


def say_gate(gate: Outcome | None, run: Run) -> None:
    """Print PASS; raise AnswerIsNo with FAIL. Without a gate print nothing."""
    if gate and not gate.passed:
        raise AnswerIsNo(gate.line)
    if gate:
        run.say(f"sft compare: {gate.line}")
