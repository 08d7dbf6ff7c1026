"""Completions from vLLM in this process: its offline batches, many GPUs, LoRA."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sft_cli.decoding.constraints import read_schema
from sft_cli.decoding.engines.protocol import Done, LogProbs
from sft_cli.decoding.items import Completion, Item, failed
from sft_cli.decoding.prompts import Prompts
from sft_cli.decoding.settings import GenerateSettings
from sft_cli.decoding.stops import Stops
from sft_cli.decoding.values import Decoding, check_controls
from sft_cli.encoding.encoder import Encoder
from sft_cli.encoding.turn_end import turn_end_notes
from sft_cli.model.device import pick_dtype
from sft_cli.model.load import generation_config_at, load_tokenizer, stop_ids_at
from sft_cli.model.names import adapter_base, resolve_model, source_of
from sft_cli.run.errors import UserError, require
from sft_cli.run.ranks import Ranks
from sft_cli.run.seed import stable_hash


class VLLMEngine:
    """vLLM: continuous batches on its GPUs or its CPU build, tensor and pipeline parallel, LoRA adapters.

    Prompts are rendered and tokenised here, so that they are those of every other engine.
    """

    def __init__(self, llm: Any, encoder: Encoder, values: Decoding, lora: Any = None) -> None:
        self.engine, self.encoder, self.values, self.lora = llm.llm_engine, encoder, values, lora
        self.context = int(self.engine.model_config.max_model_len)
        self.described: dict[str, Any] = {}
        self.prompts = Prompts(encoder, values.forced_prefix)
        self.notes = turn_end_notes(encoder)
        self.stops = Stops(encoder, values)
        if self.stops.with_specials:
            problem = (
                f"{self.stops.with_specials[0]!r} has a special token and other text; vLLM cannot find such a stop text"
            )
            raise UserError(f"--stop: {problem}\nhint: use only the special token, or --engine transformers")

    @classmethod
    def open(cls, settings: GenerateSettings, ranks: Ranks) -> VLLMEngine:
        """Load the model; raises UserError for flags that contradict each other, and if vLLM cannot load the model."""
        require("vllm", "--engine vllm", "vllm>=0.12")
        if ranks.size > 1:
            raise UserError("--engine vllm: expected one process, got several\nhint: --tensor-parallel-size 8")
        tokenizer = load_tokenizer(settings.model, settings.chat_template, settings.base)
        config = (
            generation_config_at(settings.model, settings.base) if settings.generation_config == "checkpoint" else {}
        )
        values = Decoding.of(settings, config)
        check_controls(settings, values)
        if values.max_new_tokens == 0:
            raise UserError("--max-new-tokens: expected at least 1 with vLLM, got 0\nhint: --engine transformers")
        for name in ("num_beams", "no_repeat_ngram_size"):
            if name in values.from_checkpoint:
                problem = f"the checkpoint's generation_config uses {name}, which --engine vllm does not support"
                raise UserError(f"{settings.model}: {problem}\nhint: --generation-config none")
        llm, lora, described = load_llm(settings)
        stops = stop_ids_at(settings.model, settings.base)
        engine = cls(llm, Encoder(tokenizer, stops, settings.special_tokens_in_text), values, lora)
        engine.described = described
        return engine

    def complete(self, items: Sequence[Item], of: Sequence[Item]) -> Iterator[Done]:
        """Completions of the items in the order in which they finish; an item that vLLM refuses has its own error."""
        waiting: dict[str, Item] = {}
        for number, item in enumerate(items):
            try:
                prompt = {"prompt_token_ids": item.prompt_ids}
                self.engine.add_request(str(number), prompt, self.sampling(item), lora_request=self.lora)
            except ValueError as error:
                yield [(item, failed(error))]
            else:
                waiting[str(number)] = item
        while waiting:
            finished = [output for output in self.engine.step() if output.finished]
            done = [(waiting.pop(output.request_id), self._completion(output.outputs[0])) for output in finished]
            if done:
                yield done

    def sampling(self, item: Item) -> Any:
        """vLLM's parameters of one completion; the seed depends only on the row and the sample."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        values = self.values
        fields: dict[str, Any] = {
            name: getattr(values, name)
            for name in (
                *("temperature", "top_p", "top_k", "min_p"),
                *("repetition_penalty", "presence_penalty", "frequency_penalty"),
            )
        }
        if values.json_schema is not None:
            fields["structured_outputs"] = StructuredOutputsParams(json=read_schema(values.json_schema))
        elif values.regex is not None:
            fields["structured_outputs"] = StructuredOutputsParams(regex=values.regex)
        if values.completion_logprobs:
            fields["logprobs"] = 0  # of the written tokens alone; vLLM adds them up
        if values.temperature > 0:
            fields["seed"] = stable_hash(values.seed, item.row["id"], item.sample) % 2**31
        return SamplingParams(
            max_tokens=values.max_new_tokens,
            stop=self.stops.texts or None,
            bad_words=values.bad_words or None,
            stop_token_ids=list(self.stops.ids),
            output_kind=RequestOutputKind.FINAL_ONLY,
            **fields,
        )

    def _completion(self, output: Any) -> Completion:
        """Our completion from vLLM's; aborted ones are failures, and so are those with a bad word in other tokens."""
        if output.finish_reason not in ("stop", "length"):
            return failed(f"vLLM ended this completion with the reason {output.finish_reason}")
        written = self.values.forced_prefix + output.text
        for word in self.values.bad_words:
            if word in written:
                return failed(f"the completion has {word!r} of --bad-words: vLLM did not forbid these tokens")
        ids = list(output.token_ids)
        log_prob = output.cumulative_logprob if self.values.completion_logprobs else None
        return Completion(output.text, output.finish_reason, len(ids), ids=ids, log_prob=log_prob)

    def logprobs(self, rows: Mapping[int, dict[str, Any]], settings: GenerateSettings) -> dict[int, LogProbs]:
        """None: `--logprobs` and `--choices` need the engine that computes the same numbers as training."""
        return {index: {} for index in rows}


def load_llm(settings: GenerateSettings) -> tuple[Any, Any, dict[str, Any]]:
    """vLLM's model, the LoRA of every request (or None), and their entries for the manifest."""
    several = settings.tensor_parallel_size * settings.pipeline_parallel_size > 1
    if not several:
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")  # one process, so that runs are equal
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")  # stdout is for rows
    from vllm import LLM
    from vllm.lora.request import LoRARequest
    from vllm.platforms import current_platform

    device = str(current_platform.device_type)
    dtype = pick_dtype(settings.dtype, device)
    path = resolve_model(settings.model)
    base = adapter_base(path)
    lora = LoRARequest("adapter", 1, path) if base else None
    options: dict[str, Any] = {}
    if base:
        from peft import PeftConfig

        options = {"enable_lora": True, "max_lora_rank": lora_room(int(PeftConfig.from_pretrained(path).r))}
    if settings.completion_logprobs:
        options["logprobs_mode"] = "raw_logprobs"  # before temperature, penalties and masks
    try:
        llm = LLM(
            source_of(settings.model, settings.base),
            dtype=dtype,
            seed=settings.seed,
            tensor_parallel_size=settings.tensor_parallel_size,
            pipeline_parallel_size=settings.pipeline_parallel_size,
            generation_config="vllm",  # our values already include those of the checkpoint
            **options,
        )
    except (ValueError, RuntimeError) as error:
        raise UserError(f"{settings.model}: vLLM cannot load it: {str(error).strip().splitlines()[0]}") from error
    return llm, lora, {"device": device, "dtype": dtype}


def lora_room(rank: int) -> int:
    """The smallest rank that vLLM supports (a power of two, at least 8) and that is not below this rank."""
    return max(8, 1 << (rank - 1).bit_length())
