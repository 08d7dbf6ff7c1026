"""Whether a chat template meets, for these rows, the needs of training and generation. Needs no weights."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sft_cli.encoding.encoder import Encoder, Example, template_messages
from sft_cli.encoding.special_text import LEARNED_AS_TEXT
from sft_cli.encoding.written import CHANGED, NotWritten
from sft_cli.run.errors import FieldError, shown
from sft_cli.run.text import counted

MOST_ROWS_SHOWN = 3
GENERATION_BLOCK = re.compile(r"\{%-?\s*generation\s*-?%\}")
USER, SYSTEM = "sft-probe-user", "sft-probe-system"


@dataclass(frozen=True)
class Finding:
    """The result of one check: `ok`, `note` (information) or `WRONG`."""

    verdict: str
    check: str
    text: str

    def __str__(self) -> str:
        return f"{self.verdict:<6}{self.check:<11}{self.text}"


@dataclass
class Case:
    """Places where a check found a problem: the number of rows, and the first of them in words."""

    rows: int = 0
    shown: list[str] = field(default_factory=list)

    def add(self, where: str, text: str = "") -> None:
        """Count a row; the first three are shown."""
        self.rows += 1
        if len(self.shown) < MOST_ROWS_SHOWN:
            self.shown.append(f"{where}: {text}" if text else where)

    def said(self, of: int, what: str) -> str:
        """`2 of 8 rows WHAT: the first, …`."""
        more = [f"… and {self.rows - len(self.shown)} more"] if self.rows > len(self.shown) else []
        return f"{self.rows:,} of {counted(of, 'row')} {what}: " + "; ".join([*self.shown, *more])


class TemplateCheck:
    """Gathers findings over rows: `add` each, then read `findings`."""

    def __init__(self, encoder: Encoder, targets: str = "all") -> None:
        self.encoder, self.tokenizer, self.targets = encoder, encoder.tokenizer, targets
        template = self.tokenizer.chat_template
        self.template = template if isinstance(template, str) else str(template or "")
        self.has_blocks = bool(GENERATION_BLOCK.search(self.template))
        self.rows = self.texts = self.compared = self.systemless = 0
        self.written = Case()
        self.noted: dict[str, Case] = {}
        self.refused, self.prompt, self.stop, self.drift = Case(), Case(), Case(), Case()
        self.twice, self.added, self.missing, self.blocks, self.space = Case(), Case(), Case(), Case(), Case()

    def add(self, where: str, row: dict[str, Any]) -> None:
        """Check one row; for raw text, which has no template, only the names of special tokens."""
        if "messages" not in row:
            self.texts += 1
            self._note(where, self.encoder.example(row), "")
            return
        self.rows += 1
        self.systemless += row["messages"][0]["role"] != "system"
        try:
            whole = self.encoder.training_text(row)
            turns = self._target_turns(row)
            wrong = next((problem for turn in turns if (problem := self._prompt_problem(row, turn, whole))), "")
            if wrong:
                self.prompt.add(where, wrong)
                return
            lost = next((problem for turn in turns if (problem := self._drift(row, turn, whole))), "")
            if lost:
                self.drift.add(where, lost)
            example = self.encoder.example(row, self.targets)
        except NotWritten as error:
            self.written.add(where, f"{error} ({error.hint})")
            return
        except FieldError as error:
            self.refused.add(where, str(error))
            return
        self._note(where, example, CHANGED if lost else "")
        if turns and not example.has_stop:
            self.stop.add(where)
        self._begin(where, example.ids.tolist(), whole)
        if self.has_blocks:
            self._compare(where, row)

    def _note(self, where: str, example: Example, told: str) -> None:
        """Keep the notes of a row, except a note that another check reports with more detail."""
        for note in example.notes:
            if note != told:
                self.noted.setdefault(note, Case()).add(where)

    def _target_turns(self, row: dict[str, Any]) -> list[int]:
        turns = [i for i, message in enumerate(row["messages"]) if message["role"] == "assistant"]
        turns = turns[-1:] if self.targets == "last" else turns
        return [turn for turn in turns if row["messages"][turn].get("weight", 1.0) > 0]

    def _prompt_problem(self, row: dict[str, Any], turn: int, whole: str) -> str:
        """How the prompt that `generate` builds for a turn differs from the training text; empty if it does not."""
        prompt = self.encoder.prompt({**row, "messages": row["messages"][:turn]})[0]
        return "" if whole.startswith(prompt) else f"messages[{turn}]: " + _departure("the prompt", prompt, whole)

    def _drift(self, row: dict[str, Any], turn: int, whole: str) -> str:
        """How the text of a turn differs when the turn is the last one, as in generation."""
        if turn == len(row["messages"]) - 1:
            return ""
        start = len(self.encoder.prompt({**row, "messages": row["messages"][:turn]})[0])
        alone = self.encoder.training_text({**row, "messages": row["messages"][: turn + 1]})
        stop = self.encoder.turns.stop_pattern.search(alone, start)
        alone = alone[: stop.end() if stop else None]
        return (
            ""
            if whole.startswith(alone)
            else f"messages[{turn}]: " + _departure("the text of this turn, if it is the last one,", alone, whole)
        )

    def _begin(self, where: str, ids: list[int], whole: str) -> None:
        begin = self.tokenizer.bos_token_id
        if begin is None:
            return
        if ids[:2] == [begin, begin]:
            self.twice.add(where)
        elif self.encoder.begin_ids and ids[:1] != [begin]:
            self.missing.add(where)
        elif self.tokenizer(whole).input_ids[:2] == [begin, begin]:
            self.added.add(where)

    def _compare(self, where: str, row: dict[str, Any]) -> None:
        """Compare our mask with the mask of transformers from the template's generation blocks."""
        messages = self.encoder.renderer.as_given(template_messages(row))
        example = self.encoder.example({**row, "messages": messages, "weight": 1.0})
        theirs = self.tokenizer.apply_chat_template(
            messages, tools=row.get("tools"), return_dict=True, return_assistant_tokens_mask=True
        )
        if list(theirs["input_ids"]) != example.ids.tolist():
            return  # a message has the name of a special token, which transformers reads as the token
        self.compared += 1
        ours, blocks = example.weights > 0, np.array(theirs["assistant_masks"], dtype=bool)
        blocks[:1] = False  # no token before the first token can predict it
        differing = np.flatnonzero(ours != blocks)
        if not len(differing):
            return
        parts = []
        for has, what in (
            (blocks, "tokens that {% generation %} marks as targets, but sft does not learn:"),
            (ours, "tokens that sft learns, but {% generation %} does not mark:"),
        ):
            tokens = [int(token) for token in differing if has[token]]
            if tokens:
                text = self.tokenizer.decode([int(example.ids[token]) for token in tokens])
                parts.append(f"{what} {counted(len(tokens), 'token')} {shown(text)} (at {tokens[0]})")
        only_space = all(blocks[t] and not self.tokenizer.decode([int(example.ids[t])]).strip() for t in differing)
        (self.space if only_space else self.blocks).add(where, ", ".join(parts))

    def findings(self) -> list[Finding]:
        """One line for each check, in a fixed order, without checks that do not apply to the template."""
        return [*(self._of_template() if self.rows else []), *self._of_words()]

    def _of_words(self) -> Iterable[Finding]:
        for note, case in self.noted.items():
            verdict = "WRONG" if LEARNED_AS_TEXT in note else "note"
            check = "special" if verdict == "WRONG" or "special tokens" in note else "keys"
            yield Finding(verdict, check, case.said(self.rows + self.texts, note))

    def _of_template(self) -> list[Finding]:
        stops = ", ".join(self.tokenizer.convert_ids_to_tokens(list(self.encoder.stop_ids))) or "none is set"
        findings = [
            _verdict("rows", self.refused, self.rows, "are refused", "the template accepts every row"),
            _verdict("written", self.written, self.rows, "have content that the template does not write", ""),
            _verdict(
                "prompt",
                self.prompt,
                self.rows,
                "have a training text that does not begin with the prompt of `sft generate`",
                "every training text begins with the prompt that `sft generate` builds",
            ),
            _verdict(
                "stop",
                self.stop,
                self.rows,
                f"have a target turn that does not end with a learned stop token ({stops})",
                f"every target turn ends with a stop token ({stops}) that is learned",
            ),
            _verdict(
                "drift",
                self.drift,
                self.rows,
                "have a target turn whose text changes if more turns follow (--targets last learns only the last turn)",
                "the text of target turns does not change if more turns follow",
            ),
            *self._begin_findings(),
            *self._block_findings(),
            *self._notes(),
        ]
        return [finding for finding in findings if finding.text]

    def _begin_findings(self) -> Iterable[Finding]:
        name = self.tokenizer.bos_token
        yield _verdict(
            "begin",
            self.twice,
            self.rows,
            f"begin with {name} twice",
            f"no row begins with {name} twice" if name else "",
        )
        if self.missing.rows:
            yield Finding("note", "begin", f"the tokenizer begins plain text with {name}, the template does not")
        if self.added.rows:
            yield Finding(
                "note",
                "begin",
                f"the template writes {name}, and the tokenizer adds it again: tokenise the rendered chat "
                "without adding special tokens (as sft does)",
            )

    def _block_findings(self) -> Iterable[Finding]:
        if not self.has_blocks:
            return
        same = f"{{% generation %}} marks the same targets in {counted(self.compared, 'row')}"
        if self.blocks.rows or not self.space.rows:
            yield _verdict(
                "blocks", self.blocks, self.compared, "where sft learns other tokens than {% generation %} marks", same
            )
        if self.space.rows:
            said = self.space.said(self.compared, "differ from {% generation %} in white space around the turn")
            yield Finding("note", "blocks", said)

    def _notes(self) -> Iterable[Finding]:
        default = default_system(self.encoder) if self.systemless else ""
        if default:
            rows = counted(self.systemless, "row")
            yield Finding("note", "system", f"{rows} without a system turn get the template's own: {shown(default)}")
        if "strftime_now" in self.template:
            yield Finding("note", "date", "the template writes today's date, so the training text changes every day")


def _verdict(check: str, case: Case, rows: int, what: str, otherwise: str) -> Finding:
    return Finding("WRONG", check, case.said(rows, what)) if case.rows else Finding("ok", check, otherwise)


def _departure(name: str, text: str, whole: str) -> str:
    """The place where `text` and the training text begin to differ, with a few characters of each."""
    at = next((i for i, (a, b) in enumerate(zip(text, whole, strict=False)) if a != b), min(len(text), len(whole)))
    return f"{name} has {shown(text[at : at + 24])} where the training text has {shown(whole[at : at + 24])}"


def default_system(encoder: Encoder) -> str:
    """The text that a template writes in place of a missing system turn.

    It is found by rendering a conversation with and without a system turn.
    """
    user = {"role": "user", "content": USER}
    try:
        plain = encoder.prompt({"messages": [user]})[0]
        given = encoder.prompt({"messages": [{"role": "system", "content": SYSTEM}, user]})[0]
    except FieldError:
        return ""
    before, separator, after = given.partition(SYSTEM)
    between = after.partition(USER)[0]
    head = plain.partition(USER)[0]
    if not separator or not head.startswith(before) or not head.endswith(between):
        return ""
    return head[len(before) : len(head) - len(between)] if len(head) > len(before) + len(between) else ""
