"""Train a classifier of (evidence, claim) pairs, for `sft verify --nli`, by transformers' own classes.

Usage: python train_classifier.py ROWS.jsonl BASE OUT [EPOCHS]

ROWS are rows of `sft prep --verifier`. BASE is a local encoder checkpoint, such as all-MiniLM-L6-v2.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
import transformers

STANCES = ("supported", "contradicted", "not stated")
MOST_TOKENS = 256
LEARNING_RATE, BATCH = 1e-4, 32


def main(rows_path: str, base: str, out: str, epochs: float = 3) -> None:
    """Train on all rows and save model and tokenizer in a folder."""
    transformers.set_seed(0)
    lines = Path(rows_path).read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    names = dict(enumerate(STANCES))
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=len(STANCES), id2label=names, label2id={name: number for number, name in names.items()}
    )
    # Half of the weights of a small encoder are word embeddings; a few thousand rows teach them nothing.
    model.get_input_embeddings().weight.requires_grad_(False)
    encoded = tokenizer(
        [row["evidence"] for row in rows],
        [row["claim"] for row in rows],
        truncation="only_first",
        max_length=MOST_TOKENS,
    )
    examples: list[dict[str, Any]] = [
        {**{name: encoded[name][i] for name in encoded}, "labels": row["answer_index"], "length": len(encoded[i])}
        for i, row in enumerate(rows)
    ]
    steps = int(epochs * len(rows) / BATCH)
    arguments = transformers.TrainingArguments(
        output_dir=f"{out}.training",
        num_train_epochs=epochs,
        per_device_train_batch_size=BATCH,
        learning_rate=LEARNING_RATE,
        warmup_steps=steps // 16,
        weight_decay=0.01,
        train_sampling_strategy="group_by_length",
        bf16=True,
        use_cpu=not torch.cuda.is_available(),
        logging_steps=max(steps // 20, 1),
        save_strategy="no",
        report_to="none",
        remove_unused_columns=True,
    )
    # Lengths in steps of 32 tokens: the CPU's kernels are made once for each length.
    collator = transformers.DataCollatorWithPadding(tokenizer, pad_to_multiple_of=32)
    trainer = transformers.Trainer(model, arguments, train_dataset=examples, data_collator=collator)
    trainer.train()
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


if __name__ == "__main__":
    main(*sys.argv[1:4], *map(float, sys.argv[4:5]))
