"""The rows to write: how many of each task, and with which examples."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from sft_cli.data.rows import Row
from sft_cli.replay.budget import Budget, Selection
from sft_cli.replay.candidates import draw_of
from sft_cli.replay.synthesis.filters import question_key
from sft_cli.replay.synthesis.in_context import ShownExample, continued_prompt, draw_examples, example_of
from sft_cli.run.errors import UserError
from sft_cli.run.jsonl import as_line
from sft_cli.run.seed import stable_hash
from sft_cli.run.text import counted


@dataclass(frozen=True)
class Draft:
    """A row to write: its id, its task, and the examples before it."""

    id: str
    task: str
    examples: list[ShownExample] = field(default_factory=list)

    @property
    def prompt(self) -> Row:
        """The text that the model continues: examples, or the beginning of a user turn."""
        if self.examples:
            return {"id": self.id, "text": continued_prompt(self.examples)}
        return {"id": self.id, "messages": [{"role": "user", "content": ""}]}

    @property
    def like(self) -> list[tuple[str, str]]:
        """The questions and answers of the examples."""
        return [(example.question, example.answer) for example in self.examples]

    def row(self, question: str, answer: str | None) -> Row:
        """The row of a question, with its answer if it has one."""
        system = self.examples[-1].system if self.examples else ""
        messages = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": question})
        if answer is not None:
            messages.append({"role": "assistant", "content": answer})
        return {"id": self.id, "messages": messages, **({"task": self.task} if self.task else {})}


@dataclass
class OldRows:
    """The rows of each task that can be examples, the number of others, and the questions of all rows."""

    examples: dict[str, list[tuple[float, str, ShownExample]]] = field(default_factory=dict)
    selection: Selection = field(default_factory=Selection)
    questions: set[str] = field(default_factory=set)
    unfit: int = 0

    @classmethod
    def of(cls, rows: Iterable[Row], seed: int) -> OldRows:
        """Read all rows; their order does not matter."""
        old_rows = cls()
        for row in rows:
            name = row.get("task", "")
            old_rows.selection.count(name)
            old_rows.questions.add(question_key(row))
            examples = old_rows.examples.setdefault(name, [])
            example = example_of(row)
            if example is None:
                old_rows.unfit += 1
            else:
                examples.append((draw_of(row, seed), as_line(row), example))
        for examples in old_rows.examples.values():
            examples.sort(key=lambda each: each[:2])
        return old_rows

    def drafts(self, budget: Budget, seed: int, shots: int, oversample: float) -> tuple[list[Draft], Budget]:
        """The rows to write, and the budget of rows to keep: a quota for each task.

        Raises UserError for a task without enough examples.
        """
        budget.settle(self.selection)
        room = {name: [1] * self.selection.total for name in self.selection.tasks}  # a model can write any number
        quotas = budget.allot(self.selection, room)
        drafts: list[Draft] = []
        for name in sorted(self.examples):
            examples = [each[-1] for each in self.examples[name]]
            if quotas[name] and len(examples) < shots:
                raise UserError(
                    f"--synthesize: {name or 'rows without a task'}: expected at least {counted(shots, 'example')} "
                    f"(one user turn and its answer), got {len(examples)}\n"
                    + (f"hint: --shots {len(examples)}" if examples else f"hint: --per-task {name}=0 leaves it out")
                )
            for number in range(math.ceil(quotas[name] * oversample)):
                draw = random.Random(stable_hash(seed, name, number))
                drafts.append(Draft(draft_id(name, seed, number), name, draw_examples(examples, shots, draw)))
        return drafts, dataclasses.replace(
            budget, amount=sum(quotas.values()), fraction=None, quotas=quotas, quotas_only=True
        )


def scratch_drafts(task: str, budget: Budget, seed: int, oversample: float) -> list[Draft]:
    """Drafts of one task, without examples."""
    return [Draft(draft_id(task, seed, number), task) for number in range(math.ceil(budget.amount * oversample))]


def draft_id(task: str, seed: int, number: int) -> str:
    """The id of a row to write: unique for a task and a seed."""
    return f"{task or 'row'}-synthetic-{seed}-{number}"
