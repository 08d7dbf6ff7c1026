"""Standard benchmarks as rows with choices: one function for each, from a record to a question.

Prompts, choices and their order are those of EleutherAI's lm-evaluation-harness 0.4.13, so that the log-probabilities
of the choices are comparable. It does not have STS-B, whose words are ours. To add a benchmark, write one function and
add one line.
"""

from __future__ import annotations

from sft_cli.run.registry import Table

BENCHMARKS = Table(
    "benchmark",
    {
        "boolq": "sft_cli.data.benchmarks.superglue:boolq",
        "cb": "sft_cli.data.benchmarks.superglue:cb",
        "copa": "sft_cli.data.benchmarks.superglue:copa",
        "multirc": "sft_cli.data.benchmarks.superglue:multirc",
        "wic": "sft_cli.data.benchmarks.superglue:wic",
        "wsc": "sft_cli.data.benchmarks.superglue:wsc",
        "record": "sft_cli.data.benchmarks.reading:record",
        "rte": "sft_cli.data.benchmarks.glue:rte",
        "wnli": "sft_cli.data.benchmarks.glue:wnli",
        "qnli": "sft_cli.data.benchmarks.glue:qnli",
        "mnli": "sft_cli.data.benchmarks.glue:mnli",
        "mnli-mismatched": "sft_cli.data.benchmarks.glue:mnli",
        "mrpc": "sft_cli.data.benchmarks.glue:mrpc",
        "qqp": "sft_cli.data.benchmarks.glue:qqp",
        "sst2": "sft_cli.data.benchmarks.glue:sst2",
        "cola": "sft_cli.data.benchmarks.glue:cola",
        "stsb": "sft_cli.data.benchmarks.glue:stsb",
        "piqa": "sft_cli.data.benchmarks.commonsense:piqa",
        "siqa": "sft_cli.data.benchmarks.commonsense:siqa",
        "hellaswag": "sft_cli.data.benchmarks.commonsense:hellaswag",
        "commonsenseqa": "sft_cli.data.benchmarks.lettered:commonsenseqa",
        "openbookqa": "sft_cli.data.benchmarks.lettered:openbookqa",
        "arc-easy": "sft_cli.data.benchmarks.lettered:arc",
        "arc-challenge": "sft_cli.data.benchmarks.lettered:arc",
    },
)
