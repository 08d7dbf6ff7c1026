"""TRL's SFTTrainer on prompt/completion rows, in file order: one line of JSON. For the peers' environment."""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--packing", action="store_true")
    parser.add_argument("--lora", action="store_true")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--max-length", type=int, default=1024)
    parser.add_argument("--threads", type=int, required=True)
    return parser.parse_args()


def trainer_of(chosen: argparse.Namespace) -> Any:
    """TRL's trainer with its defaults, but for: bf16, no activation recomputation, rows in file order, no reports."""
    import torch
    from datasets import load_dataset
    from torch.utils.data import SequentialSampler
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    torch.set_num_threads(chosen.threads)

    class InOrder(SFTTrainer):  # type: ignore[misc]
        def _get_train_sampler(self, dataset: Any = None) -> Any:
            return SequentialSampler(dataset if dataset is not None else self.train_dataset)

    work = tempfile.mkdtemp()
    config = SFTConfig(
        output_dir=work,
        use_cpu=not torch.cuda.is_available(),
        per_device_train_batch_size=1 if chosen.packing else chosen.batch_size,
        max_steps=chosen.steps,
        max_length=chosen.max_length,
        learning_rate=2e-4 if chosen.lora else 2e-5,
        bf16=True,
        gradient_checkpointing=False,
        packing=chosen.packing,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=0,
    )
    adapter = None
    if chosen.lora:
        from peft import LoraConfig

        adapter = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear")
    return InOrder(
        model=AutoModelForCausalLM.from_pretrained(chosen.model, dtype=torch.float32),
        args=config,
        peft_config=adapter,
        train_dataset=load_dataset("json", data_files=chosen.data, split="train", cache_dir=work),
        processing_class=AutoTokenizer.from_pretrained(chosen.model),
    )


def main() -> None:
    """Train, and print what each step took."""
    chosen = arguments()
    trainer = trainer_of(chosen)
    from transformers import TrainerCallback

    tokens: list[int] = []
    targets: list[int] = []
    seconds: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.begun = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            seconds.append(time.perf_counter() - self.begun)

    collate = trainer.data_collator

    def counting(rows: Any) -> Any:
        batch = collate(rows)
        mask = batch.get("attention_mask")
        tokens.append(int(mask.sum()) if mask is not None else batch["input_ids"].numel())
        targets.append(int((batch["labels"] != -100).sum()))
        return batch

    trainer.data_collator = counting
    trainer.add_callback(Clock())
    trainer.train()
    losses = [float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    steps = len(seconds)  # the loader may have fetched a batch that was not used
    result = {"tokens": tokens[:steps], "targets": targets[:steps], "seconds": seconds, "losses": losses}
    result["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps(result))


if __name__ == "__main__":
    main()
