"""TRL's preparation of a data set, timed: what SFTTrainer does to it before it trains. For the peers' environment."""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
warnings.filterwarnings("ignore")


def main() -> None:
    """Arguments: model folder, data, max length, packing (0 or 1), processes, file for ids and targets or ""."""
    model_folder, data, max_length, packing, processes, dump = sys.argv[1:7]
    import datasets
    import torch
    import transformers
    from trl import SFTConfig, SFTTrainer

    datasets.disable_progress_bars()
    transformers.logging.set_verbosity_error()
    work = tempfile.mkdtemp()
    seconds = []
    prepare = SFTTrainer._prepare_dataset

    def timed(*words: object, **keys: object) -> object:
        begun = time.perf_counter()
        prepared = prepare(*words, **keys)
        seconds.append(time.perf_counter() - begun)
        return prepared

    SFTTrainer._prepare_dataset = timed
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_folder)
    shape = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    config = SFTConfig(
        output_dir=work,
        use_cpu=not torch.cuda.is_available(),
        bf16=False,
        max_length=int(max_length),
        packing=packing == "1",
        dataset_num_proc=int(processes) if int(processes) > 1 else None,
        report_to="none",
        disable_tqdm=True,
    )
    rows = datasets.load_dataset("json", data_files=data, split="train", cache_dir=work)  # a fresh cache: no reuse
    trainer = SFTTrainer(
        model=transformers.LlamaForCausalLM(shape), args=config, train_dataset=rows, processing_class=tokenizer
    )
    if dump:
        with open(dump, "w", encoding="utf-8") as sink:
            for row in trainer.train_dataset:
                sink.write(json.dumps([row["input_ids"], [int(label != -100) for label in row["labels"]]]) + "\n")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"seconds": sum(seconds), "peak_gb": peak}))


if __name__ == "__main__":
    main()
