"""Every metric that compares texts: equal Chinese texts have the best value, other ones have not."""

import pytest

from sft_cli.metrics import METRICS
from sft_cli.metrics.protocol import read_metric

TEXT = "我用GPT-4在北京写代码，很好。"
OTHERS = ["他用GPT-4在南京画图，不好。", "我用GPT-4", "代码", "", "I write code with GPT-4 in Beijing."]
BEST = dict.fromkeys(METRICS, 1.0) | {
    "bleu": 100.0,
    "chrf": 100.0,
    "ter": 0.0,
    "meteor-nltk": 1 - 0.5 / 12**3,  # a penalty for the one chunk of 12 tokens: nltk's formula never reaches 1
    "diversity": 100.0,  # self-BLEU
}
# These ask something else of a text than whether it is another one.
OF_ONE_TEXT = {
    "json-validity",
    "instructions",
    "perplexity",
    "repetition",
    "choice-accuracy",
    "harness",
    "judge-pairwise",
    "judge-rating",
    "recall-at-k",
    "mrr",
    "ndcg",
    "supported-claims",
    "collapse",
    "safety",
    "memorised",
    "rare-words",
    "correlation",
    "glue",
    "superglue",
    "calibration",
    "entropy",
    "tool-calls",
}


def value(name: str, text: str) -> float:
    """The metric's value where `text` stands beside TEXT: as completion and reference, context or second sample."""
    metric = read_metric(name).metric
    rows = [
        {"id": "x", "sample": place, "completion": each, "references": [TEXT], "context": TEXT}
        for place, each in enumerate((text, TEXT))
    ]
    sums = metric.sample_sums(rows) if metric.of_samples else metric.sums(rows[0])
    return metric.values(sums)[metric.primary]


@pytest.mark.parametrize("name", sorted(set(METRICS) - OF_ONE_TEXT))
def test_equal_chinese_texts_have_the_best_value_and_other_ones_have_not(name):
    assert value(name, TEXT) == pytest.approx(BEST[name], abs=1e-12)
    for other in OTHERS:
        if name == "groundedness" and other in TEXT:
            continue  # a part of the context is supported by it
        found = value(name, other)
        assert found > 0.1 if name == "ter" else found < BEST[name] - 1e-3, other
