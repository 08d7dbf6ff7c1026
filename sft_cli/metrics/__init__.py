"""Metrics of generated text and of rankings: one file per metric, and this table of them. No model, no torch.

A metric has these parts (`metrics/protocol.py`):

- `sums(row)` returns the row's additive sums by name (`{"correct": 1, "count": 1}`), or None if the metric does not
  apply to the row. A row whose `completion` is None failed: it counts as a wrong answer.
- A metric `of_samples` has `sample_sums(rows)` instead: the sums of one prompt, from all of its samples together.
- A metric `of_file` has `survey(row)`: it gets all rows of the file before the first `sums`, which may then depend on
  other rows. `sft score` reads the file twice for it.
- `values(sums)` turns sums into named values (`{"exact_match": 1.0}`). The values of a row come from its own sums, the
  values of a file from the added sums, and those of a resample from its added sums. Nothing is averaged twice. The sum
  `count` is the number of rows that count.
- `primary` names the main value of the metric, `primary_sums` the sums that it needs, `higher_is_better` its direction
  (`opposite`: values with the other one), and `signature_parts()` everything that must be equal before two numbers may
  be compared.

Options follow a colon (`rouge-l:beta=1.2,tokenizer=char`); they are the fields of the metric's dataclass. To add a
metric write one file and add one line here.
"""

from sft_cli.run.registry import Table

METRICS = Table(
    "metric",
    {
        "exact-match": "sft_cli.metrics.exact_match:ExactMatch",
        "token-f1": "sft_cli.metrics.token_f1:TokenF1",
        "squad": "sft_cli.metrics.squad:Squad",
        "cmrc": "sft_cli.metrics.cmrc:Cmrc",
        "accuracy": "sft_cli.metrics.accuracy:Accuracy",
        "glue": "sft_cli.metrics.glue.metric:Glue",
        "superglue": "sft_cli.metrics.glue.metric:SuperGlue",
        "correlation": "sft_cli.metrics.correlation:Correlation",
        "choice-accuracy": "sft_cli.metrics.choice_accuracy:ChoiceAccuracy",
        "bleu": "sft_cli.metrics.bleu:Bleu",
        "chrf": "sft_cli.metrics.chrf:Chrf",
        "ter": "sft_cli.metrics.ter:Ter",
        "rouge-1": "sft_cli.metrics.rouge.metric:Rouge1",
        "rouge-2": "sft_cli.metrics.rouge.metric:Rouge2",
        "rouge-n": "sft_cli.metrics.rouge.metric:RougeN",
        "rouge-l": "sft_cli.metrics.rouge.metric:RougeL",
        "rouge-lsum": "sft_cli.metrics.rouge.metric:RougeLsum",
        "rouge-w": "sft_cli.metrics.rouge.metric:RougeW",
        "rouge-s": "sft_cli.metrics.rouge.metric:RougeS",
        "rouge-su": "sft_cli.metrics.rouge.metric:RougeSu",
        "meteor-nltk": "sft_cli.metrics.meteor:Meteor",
        "json-validity": "sft_cli.metrics.json_validity:JsonValidity",
        "tool-calls": "sft_cli.metrics.tool_calls.metric:ToolCalls",
        "instructions": "sft_cli.metrics.instructions.metric:Instructions",
        "perplexity": "sft_cli.metrics.perplexity:Perplexity",
        "calibration": "sft_cli.metrics.calibration:ConfidenceCalibration",
        "entropy": "sft_cli.metrics.calibration:Entropy",
        "repetition": "sft_cli.metrics.repetition:Repetition",
        "collapse": "sft_cli.metrics.collapse:Collapse",
        "memorised": "sft_cli.metrics.memorised:Memorised",
        "rare-words": "sft_cli.metrics.rare_words:RareWords",
        "safety": "sft_cli.metrics.safety.metric:Safety",
        "groundedness": "sft_cli.metrics.groundedness:Groundedness",
        "supported-claims": "sft_cli.metrics.supported_claims:SupportedClaims",
        "recall-at-k": "sft_cli.metrics.recall_at_k:RecallAtK",
        "mrr": "sft_cli.metrics.mrr:Mrr",
        "ndcg": "sft_cli.metrics.ndcg:Ndcg",
        "consistency": "sft_cli.metrics.consistency:Consistency",
        "diversity": "sft_cli.metrics.diversity:Diversity",
        "judge-pairwise": "sft_cli.metrics.judge_pairwise:JudgePairwise",
        "judge-rating": "sft_cli.metrics.judge_rating:JudgeRating",
        "harness": "sft_cli.metrics.harness:Harness",
    },
)
