"""The independent sources of a row: its passages by where they come from, copies counted once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sft_cli.evidence.facts.alignment import Evidence
from sft_cli.metrics.tokenizers import mixed

COPY_SHARE = 0.9  # of the words of two passages together: with more in common, one is a copy of the other
MOST_COMPARED = 200  # words; the beginning of a longer passage decides whether it is a copy


@dataclass(frozen=True)
class Source:
    """Passages that count as one voice. `names` are those of all its files, if it has been copied."""

    names: tuple[str, ...]
    passages: tuple[dict[str, Any], ...]

    @cached_property
    def evidence(self) -> Evidence:
        """The texts of the passages, prepared for the claims of one answer."""
        return Evidence([passage["text"] for passage in self.passages])


class Voices:
    """The independent sources of passages, and all of their passages together, each prepared once."""

    def __init__(self, passages: Sequence[dict[str, Any]]) -> None:
        unique = {(passage.get("id"), passage["text"]): passage for passage in passages}
        self.sources = independent_sources(list(unique.values()))
        self.passages = tuple(passage for source in self.sources for passage in source.passages)

    @cached_property
    def together(self) -> Evidence | None:
        """The evidence of all passages; None if there is none."""
        return Evidence([passage["text"] for passage in self.passages]) if self.passages else None


def independent_sources(passages: Sequence[dict[str, Any]]) -> list[Source]:
    """Group passages by `source` (or else by the document in `id`); a source with a copy joins the source of it.

    A text that a hundred pages repeat is one source. Two passages are copies if they share 90 % of their words.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for number, passage in enumerate(passages):
        name = passage.get("source") or str(passage.get("id") or "").rpartition("#")[0] or passage.get("id")
        groups.setdefault(str(name or f"passage {number + 1}"), []).append(passage)
    merged: list[tuple[list[str], list[dict[str, Any]]]] = []
    for name, members in groups.items():
        home = next((each for each in merged if _has_copy(each[1], members)), None)
        if home is None:
            merged.append(([name], members))
        else:
            home[0].append(name)
            home[1].extend(members)
    return [Source(tuple(names), tuple(members)) for names, members in merged]


def _has_copy(some: list[dict[str, Any]], others: list[dict[str, Any]]) -> bool:
    return any(_is_copy(one["text"], other["text"]) for one in some for other in others)


def _is_copy(one: str, other: str) -> bool:
    first, second = (set(mixed(text)[:MOST_COMPARED]) for text in (one, other))
    return len(first & second) >= COPY_SHARE * len(first | second)
