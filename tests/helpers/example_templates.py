"""Small chat templates in the manner of well-known ones, and tokenizers that know their special tokens."""

from __future__ import annotations

from typing import Any

from tiny_models import make_tokenizer

CHATML_WITH_BLOCKS = """\
{%- if messages[0].role != 'system' -%}
<|im_start|>system
You are kind.<|im_end|>
{% endif -%}
{%- for m in messages -%}
{{- '<|im_start|>' + m.role + '\n' -}}
{%- if m.role == 'assistant' -%}
{%- generation -%}{{- m.content + '<|im_end|>' -}}{%- endgeneration -%}{{- '\n' -}}
{%- else -%}{{- m.content + '<|im_end|>\n' -}}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}
"""

LLAMA = """\
{{- bos_token -}}
{%- for m in messages -%}
{{- '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content | trim + '<|eot_id|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}{%- endif -%}
"""

# Thinking stays in the turns after the last question and is taken out of those before it.
THINKING = """\
{%- set last = namespace(user=0) -%}
{%- for m in messages -%}{%- if m.role == 'user' -%}{%- set last.user = loop.index0 -%}{%- endif -%}{%- endfor -%}
{%- for m in messages -%}
{%- set text = m.content -%}
{%- if m.role == 'assistant' and loop.index0 < last.user and '</think>' in text -%}
{%- set text = text.split('</think>')[-1] -%}
{%- endif -%}
{{- '<|im_start|>' + m.role + '\n' + text + '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}
"""

# The prompt already opens the thought, so an answer without one does not continue it.
OPENING = THINKING.replace("assistant\n' -}}", "assistant\n<think>\n' -}}")

GEMMA = """\
{{- bos_token -}}
{%- if messages[0].role == 'system' -%}{{ raise_exception('System role not supported') }}{%- endif -%}
{%- for m in messages -%}
{{- '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' + m.content + '<end_of_turn>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<start_of_turn>model\n' -}}{%- endif -%}
"""

MISTRAL = """\
{{- bos_token -}}
{%- set start = 1 if messages[0].role == 'system' else 0 -%}
{%- for m in messages[start:] -%}
{%- if m.role == 'user' -%}
{{- '[INST] ' + (messages[0].content + '\n\n' if start and loop.first else '') + m.content + ' [/INST]' -}}
{%- else -%}{{- ' ' + m.content + eos_token -}}{%- endif -%}
{%- endfor -%}
"""


def tokenizer_for(template: str, begin: str = "", stop: str = "<|im_end|>", more: tuple[str, ...] = ()) -> Any:
    """The tests' tokenizer with another template; it puts the token `begin` before plain text, as Llama's does."""
    from tokenizers.processors import TemplateProcessing

    tokenizer = make_tokenizer(template)
    names = {"eos_token": stop, **({"bos_token": begin} if begin else {})}
    tokenizer.add_special_tokens({**names, "additional_special_tokens": list(more)})
    if begin:
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single=f"{begin} $A", special_tokens=[(begin, tokenizer.bos_token_id)]
        )
    return tokenizer


def chatml_with_blocks() -> Any:
    return tokenizer_for(CHATML_WITH_BLOCKS)


def llama() -> Any:
    return tokenizer_for(LLAMA, "<|begin_of_text|>", "<|eot_id|>", ("<|start_header_id|>", "<|end_header_id|>"))


def thinking() -> Any:
    return tokenizer_for(THINKING)


def opening() -> Any:
    return tokenizer_for(OPENING)


def gemma() -> Any:
    return tokenizer_for(GEMMA, "<bos>", "<end_of_turn>", ("<start_of_turn>",))


def mistral() -> Any:
    return tokenizer_for(MISTRAL, "<s>", "</s>", ("[INST]", "[/INST]"))
