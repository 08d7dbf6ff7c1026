"""In which writing systems questions and answers are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sft_cli.curation.filters.script import script_shares
from sft_cli.curation.statistics.figure import SeenRow, StatisticsFigures, Values, entries, rows_share

HAN, KANA = "han", "kana"


def main_script(text: str) -> str:
    """The writing system of most letters; empty for a text without letters. Kana with Han is `kana`: Japanese."""
    shares = script_shares(text)
    if not shares:
        return ""
    first = next(iter(shares))
    return KANA if first == HAN and shares.get(KANA, 0.0) > 0.1 else first  # a name in kana makes no Japanese text


@dataclass
class ScriptFigures(StatisticsFigures):
    """Writing systems: of answers, and rows whose answer is in another one than the question."""

    answers: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    differ: int = 0

    def see(self, seen: SeenRow) -> None:
        """Find the systems of question and answer."""
        asked, said = main_script(seen.question), main_script(seen.answer)
        self.rows += 1
        self.answers[said or "no letters"] += 1
        self.differ += bool(asked and said and asked != said)

    def values(self) -> Values:
        """Answers in each system."""
        return {
            "answer_in_another_than_the_question": rows_share(self.differ, self.rows),
            "answers": entries(self.answers.items(), self.rows, len(self.answers)),
        }
