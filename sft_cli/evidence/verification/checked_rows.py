"""The rows of `sft verify`: read, checked by themselves and against other samples, and changed by the policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice

from sft_cli.data.rows import Row
from sft_cli.evidence.verification import POLICIES
from sft_cli.evidence.verification.answer import AnswerVerifier
from sft_cli.evidence.verification.correction import Corrector, check_can_be_asked
from sft_cli.evidence.verification.policy import abstain_if_unsure, check_certainty
from sft_cli.evidence.verification.samples import compare_samples
from sft_cli.evidence.verification.settings import VerifySettings
from sft_cli.run.errors import FieldError
from sft_cli.run.jsonl import read_jsonl
from sft_cli.run.ledger import Ledger

CORRECTED_AT_ONCE = 64  # rows among which answers are corrected together


@dataclass
class CheckedRows:
    """Gives each row as it was checked and as it is written. Bad rows go to the ledger."""

    settings: VerifySettings
    verifier: AnswerVerifier
    corrector: Corrector | None
    ledger: Ledger

    def __iter__(self) -> Iterator[tuple[Row, Row]]:
        """(the checked row, the row after --abstain-below and --policy), in the order of the input."""
        for rows in self._blocks():
            changed = self.corrector.correct(rows) if self.corrector else map(self._by_policy, rows)
            yield from zip(rows, map(self._if_sure, changed), strict=True)

    def _blocks(self) -> Iterator[list[Row]]:
        """Checked rows: the samples of a prompt, or as many as are corrected together."""
        block: list[Row] = []
        for _, group in groupby(self._located_rows(), key=_prompt_of):
            checked = [row for where, given in group if (row := self._checked(where, given)) is not None]
            block += compare_samples(checked, self.verifier.reasoning) if len(checked) > 1 else checked
            if not self.corrector or len(block) >= CORRECTED_AT_ONCE:
                yield block
                block = []
        yield block

    def _located_rows(self) -> Iterator[tuple[str, Row]]:
        for line, row in islice(read_jsonl(self.settings.generations), self.settings.limit):
            where = f"{self.settings.generations}:{line}"
            if isinstance(row, FieldError):
                self.ledger.reject(where, row)
            else:
                yield where, row

    def _checked(self, where: str, row: Row) -> Row | None:
        """The row with its verdicts; None for a bad row."""
        try:
            if "completion" not in row and self.settings.claims is None:
                raise FieldError("completion", "expected an answer, got nothing", "sft generate writes answers")
            if self.corrector:
                check_can_be_asked(row)
            if self.settings.abstain_below is not None:
                check_certainty(row)
            return self.verifier.verify(row)
        except FieldError as error:
            self.ledger.reject(where, error, row)
            return None

    def _by_policy(self, row: Row) -> Row:
        change: Callable[..., Row] = POLICIES.load(self.settings.policy)
        return change(row, self.settings.least_supported)

    def _if_sure(self, row: Row) -> Row:
        below = self.settings.abstain_below
        return row if below is None else abstain_if_unsure(row, below)


def _prompt_of(located: tuple[str, Row]) -> tuple[str, object]:
    """What the samples of a prompt have in common: the id. A row without one is a prompt of its own, by its place."""
    where, row = located
    return ("id", row["id"]) if row.get("id") is not None else ("place", where)
