"""The functions that `sft generate` needs from an engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from sft_cli.decoding.items import Completion, Item
from sft_cli.decoding.settings import GenerateSettings
from sft_cli.decoding.values import Decoding
from sft_cli.run.ranks import Ranks

Done = list[tuple[Item, Completion]]
LogProbs = dict[str, Any]  # the fields of a row: for each text an entry, or null


class PromptReader(Protocol):
    """How an engine prepares a row for its model."""

    @property
    def has_template(self) -> bool:
        """Whether there is a chat template, which is used for chats but not for raw text."""
        ...

    def ids(self, row: dict[str, Any]) -> list[int]:
        """The ids of a row's prompt, or empty if only the server knows them; raises FieldError."""
        ...

    def spells_specials(self, row: dict[str, Any]) -> bool:
        """Whether the row is raw text with names of special tokens that are read as plain text."""
        ...

    def with_references(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row with references as this model would write them."""
        ...

    def shown(self, item: Item) -> str:
        """The input of the model, in readable form."""
        ...


class Engine(Protocol):
    """A model that is loaded or connected; made by `open` of its class, an entry of `ENGINES`."""

    values: Decoding
    context: int  # tokens that a prompt and its completion may have together
    described: dict[str, Any]  # for the manifest: device, dtype, …
    notes: list[str]  # lines for the plan

    @property
    def prompts(self) -> PromptReader:
        """The object that turns rows into ids or requests."""
        ...

    @classmethod
    def open(cls, settings: GenerateSettings, ranks: Ranks) -> Engine:
        """Load or connect the model of the settings.

        Raises UserError for settings that this engine does not support.
        """
        ...

    def complete(self, items: Sequence[Item], of: Sequence[Item]) -> Iterator[Done]:
        """Completions of the items, in the order in which they finish.

        The items are the unfinished ones `of` a file.
        """
        ...

    def logprobs(self, rows: Mapping[int, dict[str, Any]], settings: GenerateSettings) -> dict[int, LogProbs]:
        """The fields of log-probabilities that the settings request, by the numbers of the rows."""
        ...
