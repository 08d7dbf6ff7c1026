"""The prompt of a row for a model in this process."""

from __future__ import annotations

from typing import Any

from sft_cli.decoding.items import Item
from sft_cli.encoding.encoder import Encoder
from sft_cli.model.vocabulary import check_embedded
from sft_cli.run.calls import CallText
from sft_cli.run.errors import FieldError


class Prompts:
    """Rows as a model reads them: rendered, tokenised, with the forced beginning of the completion."""

    def __init__(self, encoder: Encoder, forced_prefix: str, embeddings: int = 1 << 62) -> None:
        self.encoder, self.forced_prefix, self.embeddings = encoder, forced_prefix, embeddings
        tokenize = encoder.tokenizer
        self.begun = list(tokenize(forced_prefix, add_special_tokens=False).input_ids) if forced_prefix else []

    def ids(self, row: dict[str, Any]) -> list[int]:
        """The token ids; raises FieldError for a row that the chat template refuses, or that the model cannot read."""
        ids = [*self.encoder.prompt(row)[1], *self.begun]
        check_embedded(ids, self.embeddings, self.encoder.tokenizer)
        return ids

    @property
    def has_template(self) -> bool:
        """Whether there is a chat template, which is not used for raw text."""
        return bool(self.encoder.tokenizer.chat_template)

    def spells_specials(self, row: dict[str, Any]) -> bool:
        """Whether the row is raw text with names of special tokens that are read as plain text."""
        return "text" in row and bool(self.encoder.guard_text(row["text"])[0])

    def with_references(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row, with references that are turns with tool calls in the form of the chat template."""
        references = row.get("references") or []
        if not any(isinstance(each, CallText) for each in references):
            return row
        return {**row, "references": [self._written(row, each) for each in references]}

    def _written(self, row: dict[str, Any], reference: str) -> str:
        if not isinstance(reference, CallText):
            return reference
        try:
            return self.encoder.answer({**row, "messages": [*row["messages"], reference.turn]})
        except FieldError:  # the template also refuses the prompt
            return str(reference)

    def shown(self, item: Item) -> str:
        """The same as text; for a prompt that was cut, the rest."""
        if item.dropped:
            return str(self.encoder.tokenizer.decode(item.prompt_ids))
        return self.encoder.prompt(item.row)[0] + self.forced_prefix


class UserTurns(Prompts):
    """Chats up to the first word of the user, for a model that writes the question itself.

    Source: Xu et al. 2024 (Magpie, arXiv 2406.08464).
    """

    def __init__(self, encoder: Encoder, embeddings: int = 1 << 62) -> None:
        super().__init__(encoder, "", embeddings)

    def ids(self, row: dict[str, Any]) -> list[int]:
        """The token ids; raises FieldError for a row that the chat template refuses, or that the model cannot read."""
        ids = self.encoder.user_opening(row)[1]
        check_embedded(ids, self.embeddings, self.encoder.tokenizer)
        return ids

    def shown(self, item: Item) -> str:
        """The same as text."""
        return self.encoder.user_opening(item.row)[0]
