"""Tasks that can be forgotten in seconds: a word is rotated by so many letters, each task with a tag and a number.

Old tasks are four tags that are learned together, the new one a fifth with another number. The model is a Llama of two
layers, made here.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from encode import write_rows

LETTERS = "abcdefghijklmnopqrstuvwxyz"
OLD = {"P": 1, "Q": 2, "R": 3, "S": 4}
NEW = {"T": 5}
LENGTH = 6
TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ '<q> ' + message['content'] + ' <a>' }}"
    "{% else %}{{ ' ' + message['content'] + '<end>' }}{% endif %}{% endfor %}"
)


def rows(tasks: dict[str, int], count: int, seed: int) -> list[dict[str, Any]]:
    """`count` rows of each task."""
    found = []
    for tag, shift in tasks.items():
        draw = random.Random(f"{seed}/{tag}")
        for number in range(count):
            letters = draw.choices(LETTERS, k=LENGTH)
            answer = " ".join(letters[shift:] + letters[:shift])
            turns = [
                {"role": "user", "content": " ".join([tag, *letters])},
                {"role": "assistant", "content": answer},
            ]
            found.append({"id": f"{tag}-{seed}-{number}", "task": tag, "messages": turns})
    return found


def write_data(folder: Path, seed: int) -> None:
    """old.jsonl, new.jsonl, joint.jsonl (both), and test.jsonl with prompts of all tasks."""
    old, new = rows(OLD, 600, seed), rows(NEW, 1200, seed)
    write_rows(folder / "old.jsonl", old)
    write_rows(folder / "new.jsonl", new)
    tests = rows({**OLD, **NEW}, 100, seed + 10_000)
    write_rows(folder / "test.jsonl", tests)


def make_model(folder: Path, seed: int) -> Path:
    """A random model of 70 k weights and its tokenizer, one token for each letter and tag."""
    import torch
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = ["<pad>", "<q>", "<a>", "<end>", *OLD, *NEW, *LETTERS]
    core = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<pad>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.add_special_tokens([AddedToken(word, special=True) for word in words[:4]])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>", pad_token="<pad>")
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=64, tie_word_embeddings=True, eos_token_id=3, pad_token_id=0, bos_token_id=None,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
