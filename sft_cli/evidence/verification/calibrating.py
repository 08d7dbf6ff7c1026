"""`sft verify --calibrate`: thresholds and probabilities from labelled claims, and the file that has them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sft_cli.data.verifier.stances import STANCES
from sft_cli.evidence.calibration import (
    balanced_accuracy,
    best_threshold,
    expected_calibration_error,
    fit_platt,
)
from sft_cli.evidence.claims import Claim
from sft_cli.evidence.facts.check import check_claim
from sft_cli.evidence.verification.combined import Calibration, Thresholds, combined_score
from sft_cli.evidence.verification.model_check import ModelCheck
from sft_cli.evidence.verification.settings import VerifySettings
from sft_cli.evidence.verification.sources import Voices
from sft_cli.run.context import Run
from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.run.jsonl import read_jsonl
from sft_cli.run.ledger import Ledger
from sft_cli.run.seed import stable_hash
from sft_cli.run.text import counted

if TYPE_CHECKING:
    import numpy as np

FOLDS = 5  # the figures that are reported are of rows that were not used to fit
AT_ONCE = 64  # claims that the model reads together
LEAST_ROWS = 20
DRAWS = 1000


@dataclass(frozen=True)
class ScoredClaims:
    """Labelled claims: their scores, what the model says against them, their stances, and a hash of their evidence."""

    scores: np.ndarray
    against: np.ndarray
    stances: np.ndarray
    documents: np.ndarray

    def only(self, kept: np.ndarray) -> ScoredClaims:
        """The claims of a mask."""
        return ScoredClaims(self.scores[kept], self.against[kept], self.stances[kept], self.documents[kept])


def read_calibration(path: str, model: str | None) -> Calibration:
    """The calibration of a file; raises UserError if it is another file, or was made with another model.

    model: the hash of the files of the verifier model, None without one.
    """
    try:
        facts = json.loads(Path(path).read_text(encoding="utf-8"))
        thresholds = Thresholds(float(facts["supported"]), float(facts["contradicted"]))
        calibration = Calibration(thresholds, float(facts["slope"]), float(facts["offset"]), facts["model"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"--calibration: {path}: expected a file that --calibrate wrote") from None
    if calibration.model != model:
        made, used = ("with a model" if each else "without a model" for each in (calibration.model, model))
        problem = "with another model" if calibration.model and model else f"{made}, and is used {used}"
        raise UserError(
            f"--calibration: {path}: was made {problem}\nhint: use the model with which --calibrate wrote it"
        )
    return calibration


def write_calibration(settings: VerifySettings, run: Run, check: ModelCheck, model: str | None) -> None:
    """Fit on the rows of --calibrate, write the calibration as JSON, and say how good it is on rows it has not seen.

    The rows are those of `sft prep --verifier`. Raises UserError for too few of them.
    """
    assert settings.calibrate is not None
    with run.publishing(), run.output() as sink, run.ledger() as ledger:
        rows = list(_labelled_rows(settings.calibrate, ledger))
        ledger.close()
        claims = _scored(rows, check)
        supported = int((claims.stances == 0).sum())
        if len(rows) < LEAST_ROWS or supported < FOLDS or len(rows) - supported < FOLDS:
            raise UserError(
                f"--calibrate: {settings.calibrate}: expected at least {LEAST_ROWS} rows, {FOLDS} of them supported "
                f"and {FOLDS} not, got {len(rows)}, {supported} of them supported"
            )
        fitted = fit_calibration(claims, model)
        measured = _cross_fitted(claims)
        if measured is None:
            raise UserError(
                f"--calibrate: {settings.calibrate}: too few different texts of evidence: some are used "
                "to fit the thresholds, the others to test them\nhint: add rows with other evidence"
            )
        facts = {
            "supported": fitted.thresholds.supported,
            "contradicted": fitted.thresholds.contradicted,
            "slope": fitted.slope,
            "offset": fitted.offset,
            "model": model,
            "rows": {stance: int((claims.stances == place).sum()) for place, stance in enumerate(STANCES)},
            "measured": measured,
        }
        sink.write(json.dumps(facts, ensure_ascii=False, indent=1) + "\n")
    if ledger.rejected:
        run.say(f"{ledger.total()} left out")
    (low, high), right = measured["interval"], measured["balanced_accuracy"]
    run.say(
        f"{counted(len(rows), 'claim')}, by {FOLDS} folds: balanced accuracy {right:.3f} [{low:.3f}, {high:.3f}], "
        f"calibration error {measured['ece']:.3f} (before: {measured['ece_of_score']:.3f})"
    )


def fit_calibration(claims: ScoredClaims, model: str | None) -> Calibration:
    """The calibration with the best balanced accuracies on these claims.

    The threshold of `contradicted` separates the claims that are contradicted from those that are not stated, among the
    claims that are not supported; without both of them, or without a model, it is 0.5.
    """
    is_supported = (claims.stances == 0).astype(float)
    threshold = best_threshold(claims.scores, is_supported)
    rest = claims.only(claims.stances != 0)
    opposed = (rest.stances == 1).astype(float)
    contradicted = Thresholds().contradicted
    if model is not None and 0 < opposed.sum() < len(opposed):
        contradicted = best_threshold(rest.against, opposed)
    return Calibration(Thresholds(threshold, contradicted), *fit_platt(claims.scores, is_supported), model)


def _labelled_rows(path: str, ledger: Ledger) -> Iterator[tuple[str, str, int]]:
    """(evidence, claim, number of the stance) of each row."""
    for line, row in read_jsonl(path):
        try:
            if isinstance(row, FieldError):
                raise row
            for name in ("evidence", "claim"):
                if not isinstance(row.get(name), str):
                    hint = "sft prep --verifier makes such rows"
                    raise FieldError(name, f"expected text, got {shown(row.get(name))}", hint)
            if row.get("answer") not in STANCES:
                raise FieldError("answer", f"expected {', '.join(STANCES)}, got {shown(row.get('answer'))}")
            yield row["evidence"], row["claim"], STANCES.index(row["answer"])
        except FieldError as error:
            ledger.reject(f"{path}:{line}", error, row if isinstance(row, dict) else None)


def _scored(rows: list[tuple[str, str, int]], check: ModelCheck) -> ScoredClaims:
    import numpy as np

    scores, against = [], []
    for start in range(0, len(rows), AT_ONCE):
        part = rows[start : start + AT_ONCE]
        claims = [Claim(claim, tuple(range(len(claim)))) for _, claim, _ in part]
        voices = [Voices([{"text": evidence}]) for evidence, _, _ in part]
        for claim, heard, said in zip(claims, voices, check.said(claims, voices), strict=True):
            stance = said.stances[0]
            scores.append(combined_score(check_claim(claim.text, heard.sources[0].evidence), stance))
            against.append(stance.contradicted if stance else 0.0)
    stances = np.array([stance for _, _, stance in rows])
    documents = np.array([stable_hash(evidence) % FOLDS for evidence, _, _ in rows])
    return ScoredClaims(np.array(scores), np.array(against), stances, documents)


def _cross_fitted(claims: ScoredClaims) -> dict[str, Any] | None:
    """How good calibrations of the other folds are on each fold; claims of one evidence are in one fold.

    None if a fold has claims for which the others cannot be fitted.
    """
    import numpy as np

    outcomes = (claims.stances == 0).astype(float)
    said, probabilities = np.zeros(len(outcomes)), np.zeros(len(outcomes))
    for fold in range(FOLDS):
        held_out = claims.documents == fold
        others = claims.only(~held_out)
        if not held_out.any():
            continue
        if len(set(others.stances == 0)) < 2:
            return None
        fitted = fit_calibration(others, None)
        said[held_out] = claims.scores[held_out] >= fitted.thresholds.supported
        probabilities[held_out] = [fitted.probability(score) for score in claims.scores[held_out]]
    generator = np.random.default_rng(0)
    draws = []
    for _ in range(DRAWS):
        drawn = generator.integers(0, len(outcomes), len(outcomes))
        if 0 < outcomes[drawn].sum() < len(drawn):
            draws.append(balanced_accuracy(outcomes[drawn], said[drawn]))
    low, high = np.percentile(draws, [2.5, 97.5])
    return {
        "balanced_accuracy": round(balanced_accuracy(outcomes, said), 4),
        "interval": [round(float(low), 4), round(float(high), 4)],
        "ece": round(expected_calibration_error(probabilities, outcomes), 4),
        "ece_of_score": round(expected_calibration_error(claims.scores, outcomes), 4),
    }
