"""transformers' generate() in static batches, greedy: prints one JSON line. Run by bench/generate.py."""

from __future__ import annotations

import argparse
import json
import resource
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    """Write completions of all prompts; the clock starts when the model is loaded."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("prompts")
    parser.add_argument("out")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", default="bfloat16")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    tokenizer = AutoTokenizer.from_pretrained(given.model, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(given.model, dtype=getattr(torch, given.dtype)).eval()
    with open(given.prompts, encoding="utf-8") as source:
        rows = [json.loads(line) for line in source]
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
    with open(given.out, "w", encoding="utf-8") as sink:
        sink.writelines(json.dumps({"completion": text}, ensure_ascii=False) + "\n" for text in completions)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"tokens": written, "seconds": seconds, "peak_gb": peak}))


if __name__ == "__main__":
    main()
