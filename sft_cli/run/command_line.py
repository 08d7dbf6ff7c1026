"""The words after a command, as far as its flags go: which flags are unknown, and whether help is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sft_cli.run.errors import UserError
from sft_cli.run.flags import Field
from sft_cli.run.groups import ALL
from sft_cli.run.registry import near_name

HELP, HELP_ALL = ("-h", "--help"), "--help-all"


class CommandLine:
    """The words of a command line: `words` with flags as sft spells them, `unknown` flags as somebody typed them.

    `help` is the text after --help ("" for none), or "all"; None if no help is asked for.
    """

    def __init__(self) -> None:
        self.words: list[str] = []
        self.unknown: list[str] = []
        self.help: str | None = None


def read_command_line(words: Iterable[str], fields: Sequence[Field]) -> CommandLine:
    """Read the words of a command. A flag may have underscores in place of hyphens (`--batch_size`)."""
    takes_value = flags_of(fields)
    line, rest = CommandLine(), list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            line.words += [word, *rest]
            break
        typed, equals, value = word.partition("=")
        flag = typed.replace("_", "-") if typed.startswith("--") else typed
        if flag in HELP:
            end = next((place for place, each in enumerate(rest) if each.startswith("-")), len(rest))
            line.help = value if equals else " ".join(rest[:end])
            break
        if flag == HELP_ALL:
            line.help = ALL
            break
        line.words.append(flag + equals + value)
        if flag.startswith("--") and flag not in takes_value:
            line.unknown.append(typed)
        elif rest and not equals and _value_follows(flag, takes_value):
            line.words.append(rest.pop(0))
    return line


def flags_of(fields: Iterable[Field]) -> dict[str, bool]:
    """Every flag of a command, and whether it takes a value."""
    flags: dict[str, bool] = {}
    for field in fields:
        if not field.flag.positional:
            flags |= dict.fromkeys(filter(None, (field.option, field.flag.short)), field.type is not bool)
            flags |= dict.fromkeys(filter(None, (field.negation,)), False)
    return flags


def _value_follows(word: str, takes_value: dict[str, bool]) -> bool:
    """Whether the next word is the value of this one: after `--out`, `-o` and `-qo`, but not after `-oFILE`."""
    if word.startswith("--") or not word.startswith("-"):
        return takes_value.get(word, False)
    place = next((place for place, letter in enumerate(word) if takes_value.get(f"-{letter}")), -1)
    return 0 < place == len(word) - 1


def check_known(command: str, line: CommandLine, fields: Sequence[Field]) -> None:
    """Raise UserError for flags that the command does not have; it says what to use in place of each."""
    unknown = list(dict.fromkeys(line.unknown))
    if not unknown:
        return
    from sft_cli.run.foreign import foreign_flag

    known = [flag for flag in flags_of(fields) if flag.startswith("--")]
    advice = {flag: foreign_flag(command, flag) or near_name(flag, known).strip() for flag in unknown}
    if len(unknown) == 1:
        hint = advice[unknown[0]] or f"`sft {command} --help` shows the flags"
        raise UserError(f"{unknown[0]}: unknown flag\nhint: {hint}")
    hints = [f"hint: {flag}: {text}" for flag, text in advice.items() if text]
    raise UserError("\n".join([f"{', '.join(unknown)}: unknown flags", *hints]))
