"""The gates as a JUnit file, which CI systems show test by test."""

from __future__ import annotations

from xml.etree import ElementTree

from sft_cli.report.gates import Outcome, say_gate
from sft_cli.run.context import Run


def junit_text(outcome: Outcome) -> str:
    """One suite: a case for each test, and one for missing rows or too little data if these fail the gate.

    Source: the schema that Jenkins reads (junit-10.xsd): testsuite, testcase, failure, skipped.
    """
    cases = [
        (f"{test.gate}: {test.value} in {test.place}", test.other, test.verdict, test.reason) for test in outcome.tests
    ]
    failed = {test.reason for test in outcome.tests if test.verdict == "fail"}
    cases += [("all rows can be judged", "", "fail", reason) for reason in outcome.reasons if reason not in failed]
    counts = {verdict: sum(case[2] == verdict for case in cases) for verdict in ("fail", "not judged")}
    suite = ElementTree.Element(
        "testsuite",
        {
            "name": "sft compare",
            "tests": str(len(cases)),
            "failures": str(counts["fail"]),
            "skipped": str(counts["not judged"]),
            "errors": "0",
        },
    )
    for name, file, verdict, reason in cases:
        case = ElementTree.SubElement(suite, "testcase", {"name": name, "classname": file or "sft compare"})
        if verdict == "fail":
            ElementTree.SubElement(case, "failure", {"message": reason})
        elif verdict == "not judged":
            ElementTree.SubElement(case, "skipped", {"message": reason})
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def finish_gate(outcome: Outcome | None, path: str | None, run: Run) -> None:
    """Write the JUnit file; print PASS, or raise AnswerIsNo with FAIL. Without a gate do nothing."""
    if outcome and path:
        with run.output(path, has_manifest=False) as sink:
            sink.write(junit_text(outcome))
    say_gate(outcome, run)
