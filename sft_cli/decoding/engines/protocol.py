"""What `sft generate` asks of an engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from sft_cli.decoding.items import Completion, Item
from sft_cli.decoding.settings import GenerateSettings
from sft_cli.decoding.values import Decoding
from sft_cli.run.ranks import Ranks

Done = list[tuple[Item, Completion]]
LogProbs = dict[str, Any]  # the row's fields of them: for each text an entry, or null


class PromptReader(Protocol):
    """What an engine makes of a row before it asks its model."""

    @property
    def has_template(self) -> bool:
        """Whether chats are written by a chat template, which raw text goes without."""
        ...

    def ids(self, row: dict[str, Any]) -> list[int]:
        """The ids of a row's prompt, none where only the engine's other end knows them; raises FieldError."""
        ...

    def spells_specials(self, row: dict[str, Any]) -> bool:
        """Whether the row is raw text with names of special tokens that are read as letters."""
        ...

    def with_references(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row with references as this model would write them."""
        ...

    def shown(self, item: Item) -> str:
        """What the model is given, readable."""
        ...


class Engine(Protocol):
    """A model that is loaded or reached; made by `open` of its class, an entry of `ENGINES`."""

    values: Decoding
    context: int  # tokens that a prompt and its completion may have together
    described: dict[str, Any]  # for the manifest: device, dtype, …
    notes: list[str]  # lines for the plan

    @property
    def prompts(self) -> PromptReader:
        """What makes ids or requests of rows."""
        ...

    @classmethod
    def open(cls, settings: GenerateSettings, ranks: Ranks) -> Engine:
        """Load or reach what the settings name; raises UserError for what this engine cannot do."""
        ...

    def complete(self, items: Sequence[Item], of: Sequence[Item]) -> Iterator[Done]:
        """Completions of the items, which are those left to do `of` a whole file, as they are done."""
        ...

    def logprobs(self, rows: Mapping[int, dict[str, Any]], settings: GenerateSettings) -> dict[int, LogProbs]:
        """The fields of log-probabilities that the settings ask for, by the rows' numbers."""
        ...
