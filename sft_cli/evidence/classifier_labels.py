"""What the labels of a classifier say of a passage and a query, or of evidence and a claim. No torch."""

from __future__ import annotations

from typing import NamedTuple

from sft_cli.data.verifier.stances import NOT_STATED, SUPPORTED, stance_of
from sft_cli.model.text_model_files import classifier_labels, is_classifier
from sft_cli.run.errors import UserError

RELEVANT = "relevant"


class PositiveLabel(NamedTuple):
    """The number of the label that says yes (None: the only logit), and whether the passage is the premise."""

    number: int | None
    has_premise: bool


def positive_label(name: str) -> PositiveLabel:
    """How a classifier of --rerank says that a passage fits a query; raises UserError for other labels."""
    labels = classifier_labels("--rerank", name)
    if len(labels) == 1:
        return PositiveLabel(None, False)
    supporting = [stance_of(label) == SUPPORTED for label in labels]
    known = [place for place, label in enumerate(labels) if supporting[place] or label.casefold() == RELEVANT]
    if len(labels) > 3 or len(known) != 1:
        raise UserError(
            f"--rerank: {name}: config.json: id2label: expected a single label, or two or three "
            f"labels of which one is named entailment, supported or relevant, got {', '.join(labels)}"
        )
    return PositiveLabel(known[0], supporting[known[0]])


def label_stances(name: str) -> list[str]:
    """The stance of each label of a classifier of --nli.

    Of two labels, the one without a known name is `not stated`. Raises UserError for labels that name no stance.
    """
    if not is_classifier(name):
        raise UserError(
            f"--nli: {name}: expected a sequence classifier, got another model\n"
            f"hint: --model {name}, if it is a language model"
        )
    labels = classifier_labels("--nli", name)
    stances = [stance_of(label) for label in labels]
    if len(stances) == 2 and SUPPORTED in stances:
        stances = [stance or NOT_STATED for stance in stances]
    if len(stances) < 2 or None in stances or SUPPORTED not in stances:
        raise UserError(
            f"--nli: {name}: config.json: id2label: expected entailment, neutral and contradiction, or "
            f"synonyms of these, got {', '.join(labels)}"
        )
    return [stance for stance in stances if stance is not None]
