"""Log-probabilities of given choices after a prompt, by the same forward pass and head that training uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from sft_cli.decoding.logprobs import sum_log_probs
from sft_cli.encoding.encoder import Encoder, template_messages
from sft_cli.model.forward import Batch
from sft_cli.model.vocabulary import check_embedded
from sft_cli.run.errors import FieldError, shown

ChoiceKey = tuple[int, int]  # the row, and which of its choices


@dataclass
class Document:
    """A prompt and a choice without its last token, which predicts nothing; and the choices that it predicts.

    `choices` has for each choice its place, the number of ids before it, and its ids. A choice that needs only the
    beginning of a document, such as one of a single token, has no document of its own.
    """

    ids: tuple[int, ...]
    choices: list[tuple[ChoiceKey, int, list[int]]]


def choice_logprobs(
    model: Any, encoder: Encoder, rows: list[dict[str, Any]], longest: int, batch_tokens: int
) -> list[list[dict[str, Any] | None]]:
    """For each choice of each row: {"sum": log-probability in nats, "tokens", "characters", "bytes"}; None if too long.

    The score is of the row's `delimiter` and the choice, without a stop token; characters and bytes are those of the
    choice only. At most `batch_tokens` tokens go through the model at a time, or one document.
    """
    embeddings = model.get_input_embeddings().weight.shape[0]
    scores: list[list[dict[str, Any] | None]] = [[None] * len(row.get("choices") or []) for row in rows]
    for part in _batches(_documents(encoder, rows, longest, embeddings), batch_tokens):
        places = [place for document in part for place, _, _ in document.choices]
        sums = sum_log_probs(model, _batch(part, str(model.device)), len(places))
        lengths = [len(ids) for document in part for _, _, ids in document.choices]
        for (row, place), total, tokens in zip(places, sums, lengths, strict=True):
            choice = rows[row]["choices"][place]
            size = {"characters": len(choice), "bytes": len(choice.encode("utf-8"))}
            scores[row][place] = {"sum": total, "tokens": tokens, **size}
    return scores


def _documents(encoder: Encoder, rows: list[dict[str, Any]], longest: int, embeddings: int) -> Iterator[Document]:
    """The documents of the rows, in order, without those that are longer than the model's context."""
    for number, row in enumerate(rows):
        choices = row.get("choices") or []
        prompt, endings = encode_continuations(encoder, row, [row.get("delimiter", "") + text for text in choices])
        check_embedded([token for ending in endings for token in ending], embeddings, encoder.tokenizer)
        documents: list[Document] = []
        for place, ending in sorted(enumerate(endings), key=lambda entry: -len(entry[1])):
            read = tuple(ending[:-1])
            if len(prompt) + len(read) <= longest:
                same = (each for each in documents if each.ids[len(prompt) :][: len(read)] == read)
                document = next(same, None)
                if document is None:
                    documents.append(document := Document((*prompt, *read), []))
                document.choices.append(((number, place), len(prompt), ending))
        yield from documents


def _batches(documents: Iterator[Document], batch_tokens: int) -> Iterator[list[Document]]:
    part: list[Document] = []
    size = 0
    for document in documents:
        if part and size + len(document.ids) > batch_tokens:
            yield part
            part, size = [], 0
        part.append(document)
        size += len(document.ids)
    if part:
        yield part


def _batch(documents: list[Document], device: str) -> Batch:
    """The packed batch whose targets are the choices; its `documents` number the choices, not the documents."""
    targets: list[int] = []
    labels: list[int] = []
    owners: list[int] = []
    start = owner = 0
    for document in documents:
        for _, before, ids in document.choices:
            targets += range(start + before - 1, start + before - 1 + len(ids))
            labels += ids
            owners += [owner] * len(ids)
            owner += 1
        start += len(document.ids)

    def tensor(values: list[int]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.long, device=device)

    return Batch(
        ids=tensor([token for document in documents for token in document.ids])[None],
        positions=tensor([place for document in documents for place in range(len(document.ids))])[None],
        lengths=tuple(len(document.ids) for document in documents),
        targets=tensor(targets),
        labels=tensor(labels),
        weights=torch.ones(len(labels), device=device),
        documents=tensor(owners),
    )


def encode_continuations(
    encoder: Encoder, row: dict[str, Any], texts: Sequence[str]
) -> tuple[list[int], list[list[int]]]:
    """The ids of a row's prompt, and those of each text that directly follows it.

    White space at the end of the prompt moves to the texts. Prompt and text are tokenised together; the ids after as
    many ids as the prompt alone has belong to the text. Source: lm-evaluation-harness 0.4.13, `_encode_pair` in
    api/model.py; unlike there, the prompt of a chat begins as in its template, and special tokens in messages and texts
    are plain text. Raises FieldError if the prompt or a text has no id of its own.
    """
    plain = encoder.plain
    if "messages" in row:
        guard, (messages, tools, *endings) = plain.guard([template_messages(row), row.get("tools"), *texts])
        field, begin, prompt = "messages", [], encoder.renderer.render(messages, tools, prompt=True)
    else:
        guard, (prompt, *endings) = encoder.guard_text([row["text"], *texts])
        field, begin = "text", encoder.begin_ids
    pieces = [prompt.rstrip(), *(prompt + ending for ending in endings)]
    alone, *whole = [begin + ids for ids, _ in plain.tokenize_all([(piece, guard) for piece in pieces])]
    if not alone:
        raise FieldError(field, "expected words before the choices, got only white space")
    continuations = [ids[len(alone) :] for ids in whole]
    for place, (text, ids) in enumerate(zip(texts, continuations, strict=True)):
        if not ids:
            raise FieldError(f"choices[{place}]", f"expected a choice with at least one token, got {shown(text)}")
    return alone, continuations
