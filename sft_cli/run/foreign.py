"""Flags of other tools (TRL, transformers, LLaMA-Factory, Axolotl, vLLM, lm-eval), and what sft has in their place.

Each key has names of one meaning, separated by spaces. Names fold (`registry.fold`): `lora_r` is also `--lora-r`.
"""

from __future__ import annotations

from sft_cli.run.registry import fold

NO_CODE = "not supported: sft runs no code of a checkpoint"
NO_UPLOAD = "not supported: sft uploads nothing"
EVERYWHERE = {
    "output_dir output_file output_path output save_dir": "use -o (--out)",
    "overwrite_output_dir overwrite": "use --force",
    "max_samples max_train_samples max_examples": "use --limit",
    "config_file": "use --config",
    "disable_tqdm silent": "use --quiet",
    "push_to_hub hub_model_id export_hub_model_id": NO_UPLOAD,
    "trust_remote_code": NO_CODE,
    "hub_token hf_hub_token hf_token token": "not a flag: set HF_TOKEN in the environment",
}
STEPS = {
    "lr": "use --learning-rate",
    "num_train_epochs num_epochs": "use --epochs",
    "per_device_train_batch_size train_batch_size": (
        "use --batch-size: the rows of an optimizer step, over all devices and all accumulation steps"
    ),
    "gradient_accumulation_steps": (
        "not needed: --batch-size is the rows of an optimizer step, and --microbatch-tokens limits the memory"
    ),
    "micro_batch_size": "use --microbatch-tokens: it counts tokens, not rows, and limits the memory",
    "per_device_eval_batch_size eval_batch_size": "use --microbatch-tokens: it also limits the memory of evaluations",
    "auto_find_batch_size": "not needed: --microbatch-tokens limits the memory, and --dry-run measures it",
    "warmup_ratio": "use --warmup: a number below 1 is a share of the steps",
    "warmup_steps": "use --warmup: 1 or more is a number of steps",
    "lr_scheduler_type lr_scheduler": "use --schedule",
    "optim": "use --optimizer",
    "use_muon": "use --optimizer muon",
    "adam_beta1": "use --beta1",
    "adam_beta2": "use --beta2",
    "adam_epsilon": "use --epsilon",
    "max_grad_norm": "use --clip",
    "data_seed random_seed": "use --seed",
}
DATA = {
    "data dataset datasets dataset_name dataset_path dataset_train_split data_path train_data train_file": (
        "name the files without a flag: rows as `sft prep` writes them"
    ),
    "dataset_text_field field_messages": "not needed: `sft prep --map` names the fields of the raw data",
    "eval_dataset dataset_test_split test_datasets eval_file validation_file": "use --eval-data",
    "val_size val_set_size test_split_size": (
        "use --eval-data: `sft prep --split train=0.9,test=0.1` makes the held-out rows"
    ),
    "cutoff_len max_seq_length max_seq_len sequence_len model_max_length": (
        "use --max-length: a longer row is an error unless --overflow says what to do with it"
    ),
    "truncation_mode excess_length_strategy": "use --overflow",
    "packing sample_packing neat_packing padding_free packing_strategy": (
        "not needed: sft packs rows by itself, and no row sees another row"
    ),
    "group_by_length pad_to_sequence_len pad_to_multiple_of eval_packing eval_sample_packing": (
        "not needed: sft packs rows without padding"
    ),
    "completion_only_loss assistant_only_loss": (
        "not needed: the loss is on assistant turns; --targets last keeps the loss of the last turn only"
    ),
    "train_on_inputs train_on_prompt": "not supported: only assistant turns and raw text are learned",
    "mask_history": "use --targets last",
    "shuffle_dataset disable_shuffling shuffle_merged_datasets": "use --order: shuffled, given, length or curriculum",
    "mix_strategy interleave_probs": "use --mix NAME=SHARE",
    "system_prompt default_system default_system_message": (
        "not a flag of training: `sft prep --system` adds a system turn to the rows"
    ),
    "template chat_template_path chat_template_jinja": (
        "use --chat-template: a file or a name [default: the template of the tokenizer]"
    ),
    "dataset_num_proc preprocessing_num_workers dataloader_num_workers dataset_processes": (
        "not needed: all rows are encoded once, before the training"
    ),
}
MODEL_FLAGS = {
    "model_name_or_path base_model model_name": "use --model",
    "finetuning_type use_peft peft": "use --adapter: lora, another adapter, or none to train all weights",
    "lora_r lora_rank": "use --rank with --adapter lora",
    "lora_target lora_target_modules lora_target_linear": (
        "use --target-modules, once for each name [default: all linear layers except the head]"
    ),
    "use_dora peft_use_dora": "use --adapter dora",
    "use_rslora peft_use_rslora": "use --adapter rslora",
    "pissa_init": "use --adapter pissa",
    "loraplus_lr_ratio": "use --lora-plus-ratio with --adapter lora-plus",
    "load_in_4bit quantization_bit": "use --adapter qlora",
    "load_in_8bit": "not supported: sft has 4 bits (--adapter qlora), but not 8",
    "freeze_trainable_layers": "use --freeze-bottom: it counts the layers that do not train, from the bottom",
    "unfrozen_parameters freeze_trainable_modules": "use --train-only",
    "neftune_noise_alpha": "use --neftune-alpha",
    "label_smoothing_factor": "use --label-smoothing with --loss label-smoothing",
    "loss_type": "use --loss",
    "use_dft_loss": "use --loss dft",
    "use_eaft_loss use_eaft": "use --loss eaft",
}
DEVICES = {
    "gradient_checkpointing activation_checkpointing": "use --checkpoint-activations",
    "disable_gradient_checkpointing": "not needed: it is off unless you give --checkpoint-activations",
    "bf16 bfloat16 pure_bf16": "use --dtype bfloat16: for matrix products; weights always train in float32",
    "fp16 float16": "not supported: use --dtype bfloat16; weights always train in float32",
    "fp32 float32": "use --dtype float32",
    "torch_dtype compute_dtype": "use --dtype: the number format of matrix products; weights always train in float32",
    "fsdp fsdp_config deepspeed": "use --shard under torchrun: FSDP2 splits weights, gradients and optimizer state",
    "num_processes nproc_per_node local_rank": "not a flag: torchrun starts the processes (docs/many-gpus.md)",
    "ddp_timeout": "use --rank-timeout",
    "torch_compile": "use --compile",
    "use_liger_kernel enable_liger_kernel chunked_cross_entropy": (
        "not needed: the loss is computed in chunks, without the logits of a whole batch"
    ),
    "attn_implementation flash_attn flash_attention sdp_attention": (
        "not needed: sft chooses the attention for the model and the device"
    ),
    "use_cpu no_cuda": "use --device cpu",
}
WATCHING = {
    "report_to": "use --track",
    "use_wandb wandb_project": "use --track wandb",
    "use_mlflow": "use --track mlflow",
    "use_tensorboard": "use --track tensorboard",
    "wandb_name mlflow_run_name trackio_run_name": "use --run-name",
    "logging_steps logging_strategy logging_first_step logging_dir": (
        "not needed: metrics.jsonl in the output has a line for each step"
    ),
    "save_steps save_strategy saves_per_epoch": "use --save-every",
    "save_total_limit": "use --keep",
    "eval_steps evals_per_epoch": "use --eval-every",
    "eval_strategy evaluation_strategy": "use --eval-every: held-out rows are also evaluated after each epoch",
    "load_best_model_at_end": "use --best",
    "metric_for_best_model": "use --eval-metric with --best",
    "greater_is_better": "not needed: each metric knows its direction",
    "compute_accuracy predict_with_generate": "use --eval-metric",
    "early_stopping_patience early_stopping_steps": "use --patience",
    "resume_from_checkpoint auto_resume_from_checkpoints": "use --resume: it continues in OUT.partial",
    "do_train do_eval do_predict stage": "not needed: `sft train` trains, and evaluates the rows of --eval-data",
}
TRAIN = STEPS | DATA | MODEL_FLAGS | DEVICES | WATCHING
FOREIGN = {
    "train": TRAIN | {"teacher teacher_model teacher_model_name_or_path": "use `sft distill --teacher`"},
    "distill": {
        **TRAIN,
        "teacher_model teacher_model_name_or_path": "use --teacher",
        "kd_temperature": "use --temperature",
        "kd_alpha kd_ce_alpha beta": (
            "use --alpha: the weight of cross-entropy; KL(teacher‖student) has the weight 1 − alpha"
        ),
    },
    "prep": {
        "data dataset dataset_name data_path input input_file train_file": "name the files without a flag",
        "val_size val_set_size test_size test_split_size": "use --split, such as --split train=0.9,test=0.1",
        "columns dataset_text_field field_messages": "use --map NEW=OLD",
        "type ds_type": "use --format",
        "system_prompt default_system default_system_message": "use --system",
        "tasks": "use --benchmark",
        "drop_columns remove_columns": "use --drop-field",
    },
    "replay-build": {
        "num_samples n_samples buffer_size memory_size": "use --rows",
        "replay_ratio ratio": "use --fraction",
        "data dataset dataset_name data_path": "name the files without a flag",
        "strategy method": "use --select",
        "model_name_or_path": "use --model",
        "random_seed": "use --seed",
    },
    "retrieve": {
        "chunk_size max_chunk_size": "use --chunk-tokens: in words",
        "chunk_overlap": "use --overlap-tokens: in words",
        "documents docs data_dir input_dir passages": "use --corpus",
        "index_path index_dir persist_dir collection_name": "use --index",
        "k topk n_results similarity_top_k hits": "use --top-k",
        "queries topics query_file": "name the file without a flag",
    },
    "verify": {
        "documents docs knowledge_source evidence": "use --corpus; the `context` of each row is read too",
        "k topk": "use --top-k",
        "threshold": "use --least-supported with --policy",
        "input input_file predictions": "name the file without a flag",
    },
    "generate": {
        "model model_name_or_path adapter_name_or_path lora_model_dir base_model": (
            "name the model, or the directory of the adapter, without a flag: sft generate MODEL PROMPTS"
        ),
        "data dataset dataset_name input_file prompts prompt_file": (
            "name the file without a flag: sft generate MODEL PROMPTS"
        ),
        "max_length max_tokens max_gen_toks": "use --max-new-tokens: it does not count the prompt",
        "do_sample": "use --temperature: 0 is greedy, above 0 samples",
        "num_return_sequences num_samples n": "use --samples",
        "stop_strings stop_sequences": "use --stop",
        "bad_words_ids": "use --bad-words: texts, not token ids",
        "guided_json": "use --json-schema",
        "guided_regex": "use --regex",
        "system_prompt default_system": "use --system",
        "template chat_template_path chat_template_jinja": "use --chat-template",
        "batch_size per_device_eval_batch_size": "use --batch-tokens: the tokens in memory at a time, not rows",
        "num_concurrent": "use --concurrency",
        "num_fewshot n_shot": "use --shots with --examples",
        "infer_backend backend": "use --engine",
        "api_base openai_api_base": "use --base-url with --engine openai",
        "api_key openai_api_key": "not a flag: set OPENAI_API_KEY in the environment",
        "torch_dtype infer_dtype": "use --dtype",
        "random_seed": "use --seed",
    },
    "score": {
        "metrics metric_name": "use --metric, once for each metric",
        "predictions generations input_file data_path": "name the file without a flag: sft score GENERATIONS",
        "references": "not a flag: `references` is a field of each row",
        "tasks": "use --harness with --model and --data",
        "num_fewshot n_shot": "use --shots with --harness",
        "model_args model_name_or_path pretrained": "use --model with --harness",
        "batch_size": "use --batch-requests with --harness",
        "bootstrap_iters num_bootstrap n_resamples": "use --draws",
    },
    "compare": {
        "baseline base": "name the score file of the base without a flag, before the others",
        "metrics metric_name": "use --metric, once for each metric",
        "bootstrap_iters num_bootstrap n_resamples": "use --draws",
        "alpha significance": "use --confidence: 1 − alpha",
    },
    "export": {
        "model model_name_or_path adapter_name_or_path adapter lora_model_dir": (
            "name the checkpoint without a flag: sft export CHECKPOINT"
        ),
        "export_dir": "use -o (--out)",
        "base_model": "use --base with --interpolate; an adapter knows its base",
        "torch_dtype save_dtype": "use --dtype",
        "safe_serialization export_legacy_format": "not needed: weights are always written as safetensors",
    },
}


def foreign_flag(command: str, typed: str) -> str:
    """What a command of sft has in place of another tool's flag; an empty string for an unknown flag."""
    for names, advice in {**EVERYWHERE, **FOREIGN.get(command, {})}.items():
        if fold(typed) in map(fold, names.split()):
            return advice
    return ""
