"""A stand-in for lm-eval 0.4.13: the parts that `sft score --harness` uses, and no model.

It always chooses the first choice; a model whose path ends in "better" is always right. What it was given goes to the
file that STUB_RECORD names.
"""

import json
import os

__version__ = "0.4.13"


def simple_evaluate(model, model_args, tasks, num_fewshot, limit, task_manager, **options):
    if record := os.environ.get("STUB_RECORD"):
        given = {"model": model, "model_args": model_args, "num_fewshot": num_fewshot, "limit": limit, **options}
        with open(record, "w") as sink:
            json.dump({"given": given, "environment": dict(os.environ)}, sink)
    if os.environ.get("STUB_DIES"):
        print("Killed for want of memory")
        os._exit(9)
    if os.environ.get("STUB_HAS_NO_MODEL"):
        raise OSError("We couldn't connect to the hub\nand more")
    is_better = model_args["pretrained"].endswith("better")
    results = {"results": {}, "configs": {}, "versions": {}, "higher_is_better": {}, "samples": {}}
    for task in tasks:
        name = task.config.task
        documents = task.eval_docs[: limit or len(task.eval_docs)]
        if os.environ.get("STUB_LOSES_A_ROW"):
            documents = documents[:-1]
        samples = [sample(task, number, row, is_better) for number, row in enumerate(documents)]
        results["samples"][name] = [each for group in samples for each in group]
        results["configs"][name] = {**vars(task.config), "doc_to_text": task.config.doc_to_text}
        results["versions"][name] = 1.0
        results["higher_is_better"][name] = {measure: measure != "loss" for measure in task.measures}
        means = {
            f"{measure},{each['filter']}": sum(
                s["values"] for s in results["samples"][name] if s["filter"] == each["filter"]
            )
            / len(documents)
            for each in samples[0]
            for measure in task.measures
        }
        results["results"][name] = {"alias": name, **means, **{f"{m}_stderr,none": "N/A" for m in task.measures}}
    for samples in results["samples"].values():
        for each in samples:
            each.pop("values")
    return results


def sample(task, number, row, is_better):
    """One row's samples, one for each filter, in the form of lm-eval's own."""
    value = 1.0 if is_better or row["label"] == 0 else 0.0
    kinds = {"acc": value, "acc_norm": value, "f1": (row["label"], 0), "loss": value, "flag": str(bool(value))}
    return [
        {
            "doc_id": number,
            "doc": row,
            "target": row["label"],
            "arguments": [("prompt", " yes"), ("prompt", " no")],
            "resps": [[("-48.03", "False")], [("-50.25", "False")]],
            "filter": name,
            "metrics": task.measures,
            **{measure: kinds[measure] for measure in task.measures},
            "values": value,
        }
        for name in task.filters
    ]
