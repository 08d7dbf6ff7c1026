"""Plain transformers in float32, row by row, nothing of ours but the encoded rows: the losses of the first steps."""

from __future__ import annotations

import json
import sys

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from sft_cli.data.rows import read_rows
from sft_cli.encoding.encoder import Encoder, stop_ids_of
from sft_cli.model.load import load_tokenizer
from sft_cli.run.ledger import Ledger


def main() -> None:
    """Arguments: model folder, rows, steps, rows a step, threads."""
    folder, data = sys.argv[1:3]
    steps, batch_size, threads = map(int, sys.argv[3:6])
    torch.set_num_threads(threads)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    encoder = Encoder(load_tokenizer(folder), stop_ids_of(model))
    examples = [encoder.example(row) for _, row in read_rows([data], Ledger(), steps * batch_size)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5, weight_decay=0.0)
    losses = []
    for step in range(steps):
        rows = examples[step * batch_size : (step + 1) * batch_size]
        count = sum(row.target_count for row in rows)
        loss = 0.0
        for row in rows:
            ids = torch.from_numpy(row.ids.astype(np.int64))[None]
            each = torch.nn.functional.cross_entropy(model(ids).logits[0, :-1], ids[0, 1:], reduction="none")
            part = (each * torch.from_numpy(row.weights)[1:]).sum() / count
            part.backward()
            loss += float(part.detach())
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = 2e-5 * (1 - step / steps)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss)
    print(json.dumps({"losses": losses}))


if __name__ == "__main__":
    main()
