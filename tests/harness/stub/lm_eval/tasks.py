"""Tasks of the stand-in: a few of lm-eval's, in its own words for what they need."""

import json
from pathlib import Path
from types import SimpleNamespace

KIND = {"tag": "TAG", "group": "GROUP", "task": "TASK", "python": "PY_TASK"}
TASKS = {
    "piqa": {
        "doc_to_text": "Question: {goal}\nAnswer:",
        "doc_to_choice": ["{sol1}", "{sol2}"],
        "measures": ["acc", "acc_norm"],
    },
    "boolq": {"doc_to_text": "{passage}\nQuestion: {question}?", "doc_to_choice": ["no", "yes"]},
    "mrpc": {"doc_to_text": "{sentence1} {sentence2}", "doc_to_choice": ["no", "yes"], "measures": ["acc", "f1"]},
    "odd": {"doc_to_text": "{q}", "doc_to_choice": ["no", "yes"], "measures": ["loss", "flag", "acc"]},
    "taught": {
        "doc_to_text": "{q}",
        "output_type": "generate_until",
        "num_fewshot": 5,
        "filters": ["strict", "flexible"],
    },
    "bare": {"doc_to_text": "{q}", "doc_to_choice": ["no", "yes"], "num_fewshot": 0},
    "code": {"doc_to_text": "{q}", "doc_to_choice": ["no", "yes"], "unsafe": True},
    "stubborn": {"doc_to_text": "{q}", "doc_to_choice": ["no", "yes"], "own_data": True},
    "short": {"doc_to_text": "{q}", "doc_to_choice": ["no", "yes"], "loses": 1},
    "arc": {"doc_to_text": "{q}", "doc_to_choice": ["no", "yes"], "test_split": "test"},
    "record": {"broken": True},
}


class TaskManager:
    def __init__(self):
        folder = Path(__file__).parent
        self.task_index = {
            name: SimpleNamespace(
                kind=SimpleNamespace(name="TASK"), yaml_path=folder / f"{name}.yaml", cfg=cfg, tags=set()
            )
            for name, cfg in TASKS.items()
        }
        tag = SimpleNamespace(kind=SimpleNamespace(name="TAG"), yaml_path=None, cfg=None, tags={"rte", "cola"})
        group = SimpleNamespace(
            kind=SimpleNamespace(name="GROUP"),
            yaml_path=folder / "x.yaml",
            tags=set(),
            cfg={"task": ["a", {"task": "b"}]},
        )
        python = SimpleNamespace(kind=SimpleNamespace(name="PY_TASK"), yaml_path=None, cfg=None, tags=set())
        self.task_index |= {"glue": tag, "mmlu": group, "squadv2": python}

    def load(self, paths):
        overlay = json.loads(Path(paths[0]).read_text())
        assert Path(overlay["include"]).is_absolute()
        assert overlay["test_split"] is None
        return {"tasks": {overlay["task"]: Task(overlay, TASKS[overlay["task"]])}}


class Task:
    def __init__(self, overlay, packaged):
        if packaged.get("broken"):
            raise ModuleNotFoundError("No module named 'transformers.data.metrics'\nand more")
        files = overlay["dataset_kwargs"]["data_files"]
        if packaged.get("own_data"):
            files = {"validation": "/elsewhere"}
        self.config = SimpleNamespace(
            task=overlay["task"],
            dataset_path=overlay["dataset_path"],
            dataset_kwargs={"data_files": files},
            process_docs=None,
            num_fewshot=packaged.get("num_fewshot"),
            doc_to_text=packaged["doc_to_text"],
        )
        path = Path(overlay["dataset_kwargs"]["data_files"]["validation"])
        self.eval_docs = [json.loads(line) for line in path.read_text().splitlines()][packaged.get("loses", 0) :]
        self.choices, self.OUTPUT_TYPE = packaged.get("doc_to_choice"), packaged.get("output_type", "multiple_choice")
        self.measures = packaged.get("measures", ["acc"])
        self.filters = packaged.get("filters", ["none"])
        self.UNSAFE_CODE = packaged.get("unsafe", False)

    def doc_to_text(self, row):
        return self.config.doc_to_text.format(**row)

    def doc_to_target(self, row):
        return row["label"]

    def doc_to_choice(self, row):
        return [choice.format(**row) for choice in self.choices]

    def aggregation(self):
        def mean(values):
            raise AssertionError

        def f1_score(values):
            raise AssertionError

        return {measure: f1_score if measure == "f1" else mean for measure in self.measures}
