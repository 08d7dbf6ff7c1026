"""The flags of `generate` that choose an engine, its model and its server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from sft_cli.decoding.engines import ENGINES
from sft_cli.run.flags import Flag


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """What writes the completions."""

    group: ClassVar[str] = "Engine"

    base: Annotated[
        str | None,
        Flag(
            "base model of the adapter, instead of the one that the adapter names",
            reads=True,
            is_model=True,
            group="Model and adapter",
        ),
    ] = None
    engine: Annotated[str, Flag("program that writes the completions", choices=ENGINES, is_usual=True)] = "transformers"
    column: Annotated[
        str | None,
        Flag(
            "progressive column that answers, or `base`: the model without columns [default: the newest column]",
            group="Model and adapter",
        ),
    ] = None
    tensor_parallel_size: Annotated[
        int, Flag("with --engine vllm: number of GPUs that share each layer", minimum=1, neutral=True, group="Devices")
    ] = 1
    pipeline_parallel_size: Annotated[
        int,
        Flag(
            "with --engine vllm: number of GPUs over which the layers are divided",
            minimum=1,
            neutral=True,
            group="Devices",
        ),
    ] = 1
    base_url: Annotated[
        str | None, Flag("with --engine openai: URL of the server, for example http://localhost:8000/v1", metavar="URL")
    ] = None
    concurrency: Annotated[int, Flag("largest number of requests at the same time", minimum=1, neutral=True)] = 16
    requests_per_minute: Annotated[
        float | None, Flag("largest number of requests per minute", above=0, neutral=True)
    ] = None
    retries: Annotated[
        int,
        Flag("how many times a failed request is sent again, after longer and longer pauses", minimum=0, neutral=True),
    ] = 5
    request_timeout: Annotated[float, Flag("timeout of a request in seconds", above=0, neutral=True)] = 600.0
    extra_body: Annotated[
        str | None, Flag("additional fields for every request; null removes a field", metavar="JSON")
    ] = None
    write_batch: Annotated[bool, Flag("write the requests to a batch file in OpenAI's format, and send nothing")] = (
        False
    )
    read_batch: Annotated[
        str | None, Flag("read the completions from the results of a batch file", reads=True, metavar="FILE")
    ] = None
