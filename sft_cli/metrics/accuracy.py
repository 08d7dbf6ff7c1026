"""Classification by generated text: accuracy, precision, recall and F1."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sft_cli.metrics.answers import answer_of, unread
from sft_cli.metrics.arithmetic import ratio
from sft_cli.metrics.extract import check_rule, reference_answer
from sft_cli.metrics.labels import ARROW, INVALID, naming_of, read_label
from sft_cli.metrics.overlap import extract_part, references_of
from sft_cli.metrics.protocol import Metric, Sums, extract_option

LONGEST_FREE_LABEL = 40  # characters
MOST_CLASSES_SHOWN = 200


@dataclass(frozen=True, kw_only=True)
class Accuracy(Metric):
    """Share of rows with the right class, F1, MCC, kappa; the right class is `answer`, or otherwise a reference.

    The labels are the row's `choices`, or the option `labels=yes/no`; `read_label` describes how a label is read from
    the answer. Without labels the answer itself is the class: it is right if it equals the right class, and valid if it
    is the right class of some row. An answer that is not a label stays in the denominator as `__invalid__`
    (`accuracy.valid` is the share of the others). Precision, recall and F1 are over the classes that are right in some
    row, and equal those of scikit-learn with these `labels` and `zero_division=0`.
    """

    name: ClassVar[str] = "accuracy"
    primary: ClassVar[str] = "accuracy"
    primary_sums: ClassVar[tuple[str, ...]] = ("correct", "count")
    counted: ClassVar[tuple[str, ...]] = ("answer_not_a_choice", "rule:exact", "rule:mention", "rule:none")
    labels: str = ""
    extract: str = extract_option()

    def __post_init__(self) -> None:
        check_rule(self.name, self.extract)

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """One cell of the confusion matrix: `confusion:right→read`, or `free:right→read` where no labels are known."""
        gold = row.get("answer")
        texts = [gold] if gold is not None else references_of(row)
        if not texts:
            return None
        labels = row.get("choices") or list(filter(None, self.labels.split("/")))
        naming = naming_of(labels)
        right = [naming(text if text in labels else reference_answer(self.extract, text)) for text in texts]
        answer, cell = answer_of(row, self.extract), "confusion" if labels else "free"
        if answer is None:
            read, rule = INVALID, "none"
        elif labels:
            read, rule = read_label(answer, labels)
        else:
            read = naming(answer)
            rule = "exact" if read in right else "none"
            if rule == "none" and len(read) > LONGEST_FREE_LABEL:
                read = INVALID
        gold = read if read in right else right[0]
        sums: Sums = {"correct": int(read == gold), "count": 1, f"{cell}:{gold}{ARROW}{read}": 1, f"rule:{rule}": 1}
        if labels and gold not in map(naming, labels):
            sums["answer_not_a_choice"] = 1
        return {**sums, **unread(row, answer)}

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Accuracy; with the confusion matrix also valid share, macro, micro and weighted scores, MCC and kappa."""
        values = {"accuracy": ratio(sums["correct"], sums["count"])}
        cells = confusion_cells(sums)
        if not cells:
            return values
        classes = class_counts(cells)
        support = [counts["support"] for counts in classes.values()]
        present = sum((count > 0) * 1 for count in support)  # a resample may not contain every class
        each = [class_scores(counts) for counts in classes.values()]
        correct, predicted = (sum(counts[what] for counts in classes.values()) for what in ("correct", "predicted"))
        micro = ratio(correct, predicted), ratio(correct, sum(support)), ratio(2 * correct, predicted + sum(support))
        for place, part in enumerate(("precision", "recall", "f1")):
            values[f"accuracy.macro_{part}"] = ratio(sum(scores[place] for scores in each), present)
            values[f"accuracy.micro_{part}"] = micro[place]
            weighted = sum(scores[place] * count for scores, count in zip(each, support, strict=True))
            values[f"accuracy.weighted_{part}"] = ratio(weighted, sum(support))
        values["accuracy.mcc"], values["accuracy.kappa"] = matthews_and_kappa(cells)
        values["accuracy.valid"] = ratio(valid_count(cells, classes), sums["count"])
        return values

    def row_values(self, sums: Mapping[str, Any]) -> dict[str, float]:
        """Right or wrong; the other values have no meaning for one row."""
        return {"accuracy": float(sums["correct"])}

    def details(self, sums: Mapping[str, float]) -> dict[str, Any]:
        """Precision, recall, F1, support and predictions of each class."""
        cells = confusion_cells(sums)
        classes = class_counts(cells)
        shown, matrix = {}, defaultdict[str, dict[str, int]](dict)
        for name in sorted(classes)[:MOST_CLASSES_SHOWN]:
            precision, recall, f1 = class_scores(classes[name])
            counts = {what: int(classes[name][what]) for what in ("support", "predicted")}
            shown[name] = {"precision": precision, "recall": recall, "f1": f1, **counts}
        for _, gold, read, count in sorted(cells):
            if gold in shown and (len(matrix[gold]) < MOST_CLASSES_SHOWN or read in matrix[gold]):
                matrix[gold][read] = matrix[gold].get(read, 0) + int(count)
        return {"classes": shown, "confusion": dict(matrix)} if shown else {}

    def signature_parts(self) -> dict[str, str]:
        """The source of the labels and the way to read them, after the rule that finds the answer, if there is one."""
        rules = [*extract_part(self.extract).values(), "exact", "mention"]
        return {"labels": self.labels or "choices", "extract": ">".join(rules)}


Cell = tuple[str, str, str, Any]  # `confusion` or `free`, the right class, the class read, how many rows


def confusion_cells(sums: Mapping[str, Any]) -> list[Cell]:
    """The confusion matrix that the sums hold; counts are numbers, or arrays of resamples."""
    cells: list[Cell] = []
    for name, count in sums.items():
        kind, _, pair = name.partition(":")
        if kind in ("confusion", "free"):
            gold, _, read = pair.partition(ARROW)
            cells.append((kind, gold, read, count))
    return cells


def class_counts(cells: list[Cell]) -> dict[str, dict[str, Any]]:
    """`support`, `predicted` and `correct` of each class that is right in some row."""
    classes: dict[str, dict[str, Any]] = {gold: defaultdict(float) for _, gold, _, _ in cells}
    for _, gold, read, count in cells:
        classes[gold]["support"] = classes[gold]["support"] + count
        if read in classes:
            classes[read]["predicted"] = classes[read]["predicted"] + count
        if read == gold:
            classes[gold]["correct"] = classes[gold]["correct"] + count
    return classes


def valid_count(cells: list[Cell], classes: Mapping[str, Any]) -> Any:
    """Rows whose class could be read; without labels, those that name a class that is right in some row."""
    valid = [count for kind, _, read, count in cells if read != INVALID and (kind == "confusion" or read in classes)]
    return sum(valid, start=0.0)


def class_scores(counts: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Precision, recall and F1 of one class; 0 if the denominator is 0."""
    correct, predicted, support = (counts.get(what, 0.0) for what in ("correct", "predicted", "support"))
    return ratio(correct, predicted), ratio(correct, support), ratio(2 * correct, predicted + support)


def matthews_and_kappa(cells: list[Cell]) -> tuple[Any, Any]:
    """Matthews' correlation of any number of classes, and Cohen's kappa; answers without a label are a separate class.

    With s rows, c right ones, t_k rows of class k and p_k read as k: MCC = (c·s − Σ t_k·p_k) / √((s² − Σ t_k²)(s² − Σ
    p_k²)), kappa = (c·s − Σ t_k·p_k) / (s² − Σ t_k·p_k); 0 if a denominator is 0. Source: Gorodkin 2004,
    eq. 8; Cohen 1960. Equal scikit-learn's matthews_corrcoef, and cohen_kappa_score where that is a number.
    """
    right, read = defaultdict[str, Any](float), defaultdict[str, Any](float)
    rows: Any = 0.0
    correct: Any = 0.0
    for _, gold, predicted, count in cells:
        rows = rows + count
        right[gold] = right[gold] + count
        read[predicted] = read[predicted] + count
        if gold == predicted:
            correct = correct + count
    together = sum(right[name] * read.get(name, 0.0) for name in right)
    spread = [rows * rows - sum(count * count for count in counts.values()) for counts in (right, read)]
    above = correct * rows - together
    return ratio(above, (spread[0] * spread[1]) ** 0.5), ratio(above, rows * rows - together)
