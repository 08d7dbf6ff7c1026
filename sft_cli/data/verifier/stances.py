"""What evidence says of a claim: three stances, and the names that data sets and classifiers have for them."""

from __future__ import annotations

from collections.abc import Iterable

from sft_cli.run.errors import UserError

SUPPORTED, CONTRADICTED, NOT_STATED = "supported", "contradicted", "not stated"
STANCES = (SUPPORTED, CONTRADICTED, NOT_STATED)  # in this order wherever probabilities are
# Names in NLI sets (SNLI, MNLI, ANLI), FEVER, SciFact, Climate-FEVER, SummaC and Factcheck-GPT.
STANCE_NAMES = {
    SUPPORTED: (
        *("supported", "supports", "support", "entailment", "entailed", "entails", "entail", "consistent"),
        *("completely-support", "faithful", "支持", "蕴含"),
    ),
    CONTRADICTED: (
        *("contradicted", "contradicts", "contradict", "contradiction", "refuted", "refutes", "refute"),
        *("反驳", "矛盾", "反对"),
    ),
    NOT_STATED: (
        *("not stated", "neutral", "unknown", "not enough info", "not enough information", "not enough evidence"),
        *("nei", "irrelevant", "unrelated", "中立", "无关", "证据不足"),
    ),
}
_BY_NAME = {_name: _stance for _stance, _names in STANCE_NAMES.items() for _name in _names}


def stance_of(label: str) -> str | None:
    """The stance that a label names, in any case and with spaces, hyphens or underscores; None for another label."""
    name = label.strip().casefold()
    return _BY_NAME.get(name) or _BY_NAME.get(name.replace("_", " ").replace("-", " "))


def read_labels(pairs: Iterable[str]) -> dict[str, str]:
    """Labels and their stances, from `supported=0` words; raises UserError for another form, or a label given twice."""
    labels: dict[str, str] = {}
    for pair in pairs:
        name, equals, label = pair.partition("=")
        stance = stance_of(name)
        if not equals or not label.strip() or stance is None:
            raise UserError(
                f"--label: expected VERDICT=LABEL, where VERDICT is one of {', '.join(STANCES)}, got {pair!r}\n"
                "hint: --label supported=0"
            )
        if label.strip() in labels:
            raise UserError(f"--label: {label.strip()}: given twice")
        labels[label.strip()] = stance
    return labels
