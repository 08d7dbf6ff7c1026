"""The engines of `sft generate`, which write completions."""

from sft_cli.run.registry import Table

ENGINES = Table(
    "engine",
    {
        "transformers": "sft_cli.decoding.engines.transformers:TransformersEngine",
        "vllm": "sft_cli.decoding.engines.vllm:VLLMEngine",
        "openai": "sft_cli.decoding.engines.openai:OpenAIEngine",
    },
)
