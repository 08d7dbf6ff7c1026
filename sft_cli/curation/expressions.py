"""--where: a condition on the fields of a row, in a small language that is read here and never by Python's `eval`.

    len(answer) > 20 and task == "qa"
    not (language in ["zh", "ja"]) or words(question) <= 200
    answer matches "^[A-D]$"

A value is a number, a text in quotes, true, false, null, a list, a field, or a function of a value. A field can be
inside others (`generated.sample`); `question`, `answer` and `turns` are read from the turns of a row. A field that a
row does not have is null, and null is only equal to null.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sft_cli.curation.row_parts import answer_of_row, question_of_row, turns_of
from sft_cli.data.rows import Row
from sft_cli.metrics.tokenizers import mixed
from sft_cli.run.errors import FieldError, UserError, shown

WHERE_TOKEN = re.compile(
    r"""\s*(?:(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<sign>==|!=|<=|>=|<|>|\(|\)|\[|\]|,)|(?P<name>[^\W\d][\w-]*(?:\.[\w-]+)*))"""
)
INEQUALITIES: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
FUNCTIONS = ("len", "words", "lower")
PARTS_OF_ROW: dict[str, Callable[[Row], Any]] = {
    "question": question_of_row,
    "answer": answer_of_row,
    "turns": turns_of,
}
CONSTANTS = {"true": True, "false": False, "null": None}
DEEPEST = 50  # brackets in one another
EXAMPLE = "hint: --where 'len(answer) > 20 and task == \"qa\"'"

ReadsValue = Callable[[Row], Any]


@dataclass
class WhereCondition:
    """A condition that a row fulfils or not. unknown: the fields of the text that no row had so far."""

    text: str
    value: ReadsValue
    unknown: set[str] = field(default_factory=set)

    def is_true(self, row: Row) -> bool:
        """Whether a row fulfils it; raises FieldError if values cannot be compared."""
        return bool(self.value(row))


def read_condition(text: str) -> WhereCondition:
    """The condition of a text; raises UserError that shows where the text cannot be read."""
    reader = _Reader(text)
    condition = WhereCondition(text, lambda row: None, reader.unknown)
    condition.value = reader.either()
    if reader.kind:
        raise reader.problem("expected and, or, or the end")
    return condition


class _Reader:
    """Reads an expression from left to right: each method reads one level of the grammar and returns its value."""

    def __init__(self, text: str) -> None:
        self.text, self.position = text, 0
        self.unknown: set[str] = set()
        self.kind = self.token = ""
        self.depth = 0
        self.step()

    def step(self) -> None:
        """Go to the next token; its kind is empty at the end."""
        self.start = self.position
        if not self.text[self.position :].strip():
            self.kind = self.token = ""
            return
        match = WHERE_TOKEN.match(self.text, self.position)
        if match is None:
            raise self.problem("cannot read this")
        self.kind, self.token = match.lastgroup or "", match[match.lastgroup or ""]
        self.position = match.end()

    def problem(self, what: str) -> UserError:
        """The error at the present token."""
        rest = self.text[self.start :].strip()
        return UserError(f"--where {self.text!r}: {what}, got {shown(rest) if rest else 'the end'}\n{EXAMPLE}")

    def takes(self, token: str) -> bool:
        """Whether the present token is this one, which is then behind."""
        is_it = self.token == token and self.kind in ("sign", "name")
        if is_it:
            self.step()
        return is_it

    def inside(self, read: Callable[[], ReadsValue]) -> ReadsValue:
        """Read what is one level deeper; raises UserError at too many levels."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise UserError(f"--where: expected at most {DEEPEST} brackets in one another, got more")
        value = read()
        self.depth -= 1
        return value

    def either(self) -> ReadsValue:
        """both [or both]…"""
        value = self.both()
        while self.takes("or"):
            value = _or(value, self.both())
        return value

    def both(self) -> ReadsValue:
        """negated [and negated]…"""
        value = self.negated()
        while self.takes("and"):
            value = _and(value, self.negated())
        return value

    def negated(self) -> ReadsValue:
        """[not] comparison."""
        if self.takes("not"):
            inner = self.inside(self.negated)
            return lambda row: not inner(row)
        return self.comparison()

    def comparison(self) -> ReadsValue:
        """ReadsValue [sign value]."""
        left, sign = self.single(), self.token
        if self.takes("=="):
            right = self.single()
            return lambda row: _are_equal(left(row), right(row))
        if self.takes("!="):
            right = self.single()
            return lambda row: not _are_equal(left(row), right(row))
        if self.takes("in"):
            return self._member(left, self.single())
        if self.takes("not"):
            if not self.takes("in"):
                raise self.problem("expected in after not")
            member = self._member(left, self.single())
            return lambda row: not member(row)
        if self.takes("matches"):
            return self._pattern(left)
        if sign in INEQUALITIES and self.takes(sign):
            return self._order(left, sign, self.single())
        return left

    def single(self) -> ReadsValue:
        """A value, a list of values, or an expression in brackets."""
        kind, token = self.kind, self.token
        if self.takes("("):
            value = self.inside(self.either)
            self.expect(")")
            return value
        if self.takes("["):
            return self._list()
        if kind == "number":
            self.step()
            number = float(token) if set(token) & set(".eE") else int(token)
            return lambda row: number
        if kind == "text":
            self.step()
            text = _unquoted(token)
            return lambda row: text
        if kind == "name" and token not in ("and", "or", "in", "matches"):
            self.step()
            return self._named(token)
        raise self.problem("expected a value")

    def expect(self, token: str) -> None:
        """Step over this token; raises UserError if another one is there."""
        if not self.takes(token):
            raise self.problem(f"expected {token}")

    def _list(self) -> ReadsValue:
        items: list[ReadsValue] = []
        while not self.takes("]"):
            if items:
                self.expect(",")
            items.append(self.inside(self.single))
        return lambda row: [item(row) for item in items]

    def _named(self, name: str) -> ReadsValue:
        if name in CONSTANTS:
            return lambda row: CONSTANTS[name]
        if self.token == "(":
            if name not in FUNCTIONS:
                raise UserError(f"--where {self.text!r}: expected one of {', '.join(FUNCTIONS)}, got {name}\n{EXAMPLE}")
            self.step()
            inner = self.inside(self.either)
            self.expect(")")
            return lambda row: _call(name, inner(row), self.text)
        if part := PARTS_OF_ROW.get(name):
            return part
        self.unknown.add(name)
        return lambda row: self._field(row, name)

    def _field(self, row: Row, name: str) -> Any:
        value: Any = row
        for part in [name] if name in row else name.split("."):
            if not isinstance(value, dict) or part not in value:
                return None
            value = value[part]
        self.unknown.discard(name)
        return value

    def _member(self, left: ReadsValue, right: ReadsValue) -> ReadsValue:
        def is_in(row: Row) -> bool:
            item, container = left(row), right(row)
            if isinstance(container, str) and isinstance(item, str):
                return item in container
            if isinstance(container, list):
                return any(_are_equal(item, each) for each in container)
            if container is None or item is None:
                return False
            raise FieldError("", f"--where {self.text!r}: expected a list or a text after in, got {shown(container)}")

        return is_in

    def _pattern(self, left: ReadsValue) -> ReadsValue:
        if self.kind != "text":
            raise self.problem("expected a pattern in quotes after matches")
        try:
            pattern = re.compile(_unquoted(self.token))
        except re.error as error:
            raise UserError(f"--where {self.text!r}: {self.token}: not a regular expression: {error}") from None
        self.step()

        def is_match(row: Row) -> bool:
            value = left(row)
            return isinstance(value, str) and pattern.search(value) is not None

        return is_match

    def _order(self, left: ReadsValue, sign: str, right: ReadsValue) -> ReadsValue:
        def holds(row: Row) -> bool:
            first, second = left(row), right(row)
            if first is None or second is None:
                return False
            if _is_plain_number(first) != _is_plain_number(second) or isinstance(first, (list, dict, bool)):
                raise FieldError(
                    "",
                    f"--where {self.text!r}: expected two numbers or two texts, got {shown(first)} and {shown(second)}",
                )
            return INEQUALITIES[sign](first, second)

        return holds


def _and(first: ReadsValue, second: ReadsValue) -> ReadsValue:
    return lambda row: first(row) and second(row)


def _or(first: ReadsValue, second: ReadsValue) -> ReadsValue:
    return lambda row: first(row) or second(row)


def _is_plain_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _are_equal(first: Any, second: Any) -> bool:
    return isinstance(first, bool) == isinstance(second, bool) and first == second


def _unquoted(token: str) -> str:
    """The text between the quotes: a backslash counts only before a quote or a backslash, so patterns stay readable."""
    return re.sub(rf"\\([{token[0]}\\])", r"\1", token[1:-1])


def _call(name: str, value: Any, text: str) -> Any:
    if value is None:
        return 0 if name != "lower" else None
    if name == "len" and isinstance(value, (str, list, dict)):
        return len(value)
    if isinstance(value, str):
        return len(mixed(value)) if name == "words" else value.lower()
    raise FieldError("", f"--where {text!r}: expected a text for {name}(), got {shown(value)}")
