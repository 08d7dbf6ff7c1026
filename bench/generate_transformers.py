"""transformers' generate() in static batches, greedy: prints one JSON line. Run by bench/generate.py."""

from __future__ import annotations

import time

import torch
from generate_side import read_prompts, report, side_parser
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    """Write completions of all prompts; the clock starts when the model is loaded."""
    parser = side_parser()
    parser.add_argument("--batch-size", type=int, default=16)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    tokenizer = AutoTokenizer.from_pretrained(given.model, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(given.model, dtype=getattr(torch, given.dtype)).eval()
    rows = read_prompts(given.prompts)
    texts = [tokenizer.apply_chat_template(row["messages"], add_generation_prompt=True, tokenize=False) for row in rows]
    begun, written, completions = time.perf_counter(), 0, []
    with torch.inference_mode():
        for first in range(0, len(texts), given.batch_size):
            part = texts[first : first + given.batch_size]
            batch = tokenizer(part, return_tensors="pt", padding=True, add_special_tokens=False)
            output = model.generate(**batch, max_new_tokens=given.new_tokens, do_sample=False)
            new = output[:, batch["input_ids"].shape[1] :]
            written += int((new != tokenizer.pad_token_id).sum())
            completions += tokenizer.batch_decode(new, skip_special_tokens=True)
    seconds = time.perf_counter() - begun
    report(given.out, completions, written, seconds)


if __name__ == "__main__":
    main()
