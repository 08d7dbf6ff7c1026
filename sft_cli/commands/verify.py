"""`sft verify`: what sources say of each claim of an answer."""

from __future__ import annotations

from sft_cli.evidence.verification.settings import VerifySettings, check_verify_flags
from sft_cli.run.context import Run


def verify(settings: VerifySettings, run: Run) -> None:
    """Check each claim of an answer against its passages, and write the verdicts beside it.

    \b
    Example:
      sft verify a.gen.jsonl -o a.checked.jsonl
      sft verify a.gen.jsonl --model runs/verifier -o a.checked.jsonl
      sft verify --knowledge facts.tsv --propose-patterns sentences.jsonl -o patterns.txt
      sft verify a.gen.jsonl --corpus docs/ --policy abstain | sft score - --metric supported-claims

    An answer is split into claims: its sentences, and clauses that state a fact of their own. If the answer is JSON,
    each value is a claim. Each claim is checked against the `context` of the row, and against the passages of --corpus
    or --index that fit it best.
    A claim is supported if the passages have all its numbers with units, dates, names, quotations, citations and
    negations, and most of its other words.

    --knowledge FILE has facts as triples, and is one more source; --patterns FILE has the forms of sentences that state
    such facts. If a relation has one object for each subject, such as a capital, a claim with another object is
    contradicted.

    Each source has one vote, however many of its passages fit; sources with the same passage have one vote together. A
    claim is supported, contradicted, disputed (as many votes for it as against it) or not stated. Without a model, only
    the wording is compared: if the source says the same in other words, the claim is often "not stated". --model or
    --nli reads each claim with its evidence; --calibrate fits the thresholds.

    Every row gets two fields: `claims` (each with its verdict, evidence and facts) and `verification` (the counts).
    Samples of one prompt are also compared with one another. If too few claims of an answer are supported, --policy
    abstain, --policy drop or --policy correct changes the answer; the answer of the model stays in
    `original_completion`.
    """
    check_verify_flags(settings)
    from sft_cli.data.rows import refuse_terminal
    from sft_cli.evidence.verification.knowledge import write_patterns
    from sft_cli.evidence.verification.opening import calibrate, verify_rows

    run.check_output()
    if settings.propose_patterns is not None:
        write_patterns(settings, run)
    elif settings.calibrate is not None:
        calibrate(settings, run)
    else:
        refuse_terminal(settings.generations)
        verify_rows(settings, run)
