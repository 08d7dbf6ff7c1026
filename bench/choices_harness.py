"""lm-evaluation-harness on rows with `text`, `choices`, `answer_index`: one JSON line. Run by bench/choices.py."""

from __future__ import annotations

import argparse
import json
from typing import Any


def main() -> None:
    """Score the rows as a task of multiple choice, and check that the prompts are those of the rows."""
    import lm_eval

    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("rows")
    given = parser.parse_args()
    with open(given.rows, encoding="utf-8") as source:
        rows = [json.loads(line) for line in source]
    (delimiter,) = {row["delimiter"] for row in rows}
    task: dict[str, Any] = {
        "task": "rows",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": given.rows}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "text",
        "doc_to_choice": "choices",
        "doc_to_target": "answer_index",
        "target_delimiter": delimiter,
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
    }
    found = lm_eval.simple_evaluate(
        model="hf", model_args=f"pretrained={given.model},dtype=float32", tasks=[task], device="cpu", batch_size=4
    )
    samples = {sample["doc_id"]: sample for sample in found["samples"]["rows"]}
    for number, row in enumerate(rows):
        asked = [tuple(arguments) for arguments in samples[number]["arguments"]]
        assert asked == [(row["text"], delimiter + choice) for choice in row["choices"]], asked
    sums = [[float(answer[0]) for answer in samples[number]["filtered_resps"]] for number in range(len(rows))]
    scores = found["results"]["rows"]
    print(json.dumps({"sums": sums, "acc": scores["acc,none"], "acc_norm": scores["acc_norm,none"]}))


if __name__ == "__main__":
    main()
