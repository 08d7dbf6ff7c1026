"""The app: turns each command's settings into flags, and what a command raises into one line and an exit code."""

from __future__ import annotations

import dataclasses
import errno
import inspect
import io
import os
import sys
import traceback
import typing
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import CompletionItem

from sft_cli import __version__
from sft_cli.commands import COMMANDS
from sft_cli.run.command_line import HELP_ALL, check_known, read_command_line
from sft_cli.run.config import as_toml, check_variables, read_section
from sft_cli.run.context import Run
from sft_cli.run.errors import AnswerIsNo, UserError
from sft_cli.run.flags import Field, fields_of
from sft_cli.run.groups import FIRST, HelpPages, short_help
from sft_cli.run.jsonl import MOST_LINE_BYTES, limit_lines
from sft_cli.run.output import close_stdout_quietly
from sft_cli.run.ranks import ranks_of
from sft_cli.run.registry import Table, known_name
from sft_cli.run.signals import RaisedSignals, Terminated, leave_at_signals

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
EXIT_CODES = (
    "Exit codes: 0 done; 1 it ran well, but a check failed; 2 wrong flags or unreadable input; "
    "70 a bug in sft; 130 Ctrl-C; 143 SIGTERM."
)


class Commands(typer.core.TyperGroup):
    """The commands of the table, each imported when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Build one command from its function; None for an unknown name."""
        name = known_name(cmd_name, COMMANDS)
        return build_command(name) if name else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List each command with the first line of its help; none is imported or built for that."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS.summary(name)) for name in COMMANDS])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Name the nearest command when the one asked for does not exist."""
        if args and not args[0].startswith("-") and not ctx.resilient_parsing:
            try:
                COMMANDS.check(args[0])
            except UserError as error:
                fail("", error)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """The names of commands for a shell; none is imported or built for that."""
        names = [CompletionItem(name, help=short_help(COMMANDS.summary(name))) for name in COMMANDS]
        flags = super(typer.core.TyperGroup, self).shell_complete(ctx, incomplete)  # TyperGroup's would build commands
        return [item for item in names if item.value.startswith(incomplete)] + flags


class Command(typer.core.TyperCommand):
    """One command, whose help has pages, and whose unknown flags are answered with the right ones."""

    pages: HelpPages

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Show the help that is asked for, or refuse unknown flags; else parse."""
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        line = read_command_line(args, self.pages.fields)
        try:
            if line.help is not None:
                print(self.pages.text(self, ctx, self.pages.find(line.help)))
                raise typer.Exit()
            check_known(self.pages.command, line, self.pages.fields)
        except UserError as error:
            fail(self.pages.command, error)
        return super().parse_args(ctx, line.words)

    def get_help(self, ctx: Any) -> str:
        """The first page of the help."""
        return self.pages.text(self, ctx, FIRST)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Flags for a shell, each with a few words of its help."""
        items = [*super().shell_complete(ctx, incomplete), CompletionItem(HELP_ALL, help="show all flags")]
        for item in items:
            item.help = short_help(item.help)
        return [item for item in items if item.value.startswith(incomplete)]


app = typer.Typer(
    cls=Commands,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings=CONTEXT,
    help="Supervised fine-tuning of language models: from raw data to an evaluated model. Commands can be combined.",
    epilog=EXIT_CODES + " Flags may also be set by SFT_COMMAND_FLAG in the environment, or by --config FILE.toml.",
)


def show_version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        print(f"sft {__version__}")
        raise typer.Exit()


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="print the version and stop")
    ] = False,
) -> None:
    """Options in front of the command."""


def build_command(name: str) -> Any:
    """A typer command whose flags are the fields of the settings that the command's function takes."""
    function = COMMANDS.load(name)
    settings = typing.get_type_hints(function)["settings"]
    fields = fields_of(settings)

    def invoke(**values: Any) -> None:
        raise typer.Exit(run_command(name, function, settings, values))

    parameters = [_parameter(field, name, settings) for field in fields]
    invoke.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    single = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
    single.command(
        name,
        cls=Command,
        help=inspect.cleandoc(function.__doc__ or ""),
        epilog=EXIT_CODES,
        context_settings={**CONTEXT, "auto_envvar_prefix": variable_prefix(name)},
    )(invoke)
    command: Any = typer.main.get_command(single)
    own = settings.__dict__
    command.pages = HelpPages(name, fields, own.get("group", ""), own.get("extends", ""))
    return command


def variable_prefix(command: str) -> str:
    """What the names of the variables begin with that set a command's flags."""
    return "SFT_" + command.replace("-", "_").upper()


def _parameter(field: Field, command: str, settings: type) -> inspect.Parameter:
    flag = field.flag
    kind: Any = field.type | None if field.is_optional else field.type
    help_text = flag.help
    extra: dict[str, Any] = {"help": help_text, "show_envvar": False}
    inner = (typing.get_args(field.type) or (field.type,))[0]
    if inner is not bool:
        extra["metavar"] = flag.metavar or {int: "N", float: "X"}.get(inner, "TEXT")
    if flag.choices is not None:
        choices = list(flag.choices)
        extra["help"] = f"{help_text}: {', '.join(choices)}" if isinstance(flag.choices, Table) else help_text
        extra["metavar"] = "NAME" if isinstance(flag.choices, Table) else "|".join(choices)
    if flag.choices is not None or flag.starts or flag.names:
        extra["autocompletion"] = flag.known_names
    if field.name == "config":
        extra |= {"callback": _config_callback(command, settings), "is_eager": True}
    default = inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default
    if flag.positional:
        annotation: Any = Annotated[kind, typer.Argument(**{"show_default": default not in ("-", []), **extra})]
    else:
        names = [*([flag.short] if flag.short else []), field.option]
        if field.negation:
            names[-1] += "/" + field.negation
        extra["show_default"] = default is not False and default not in (None, [], "")
        annotation = Annotated[kind, typer.Option(*names, **extra)]
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _config_callback(command: str, settings: type) -> Callable[[Any, Any], Any]:
    def read(ctx: typer.Context, value: str | None) -> str | None:
        if ctx.resilient_parsing:  # a shell completes the line
            return value
        try:
            check_variables(os.environ, variable_prefix(command), settings)
            if value is not None:
                # Below flags and environment, above the defaults: typer's own order for a default_map.
                ctx.default_map = {**read_section(value, command, list(COMMANDS), settings), **(ctx.default_map or {})}
        except UserError as error:
            fail(command, error)
        return value

    return read


def fail(command: str, error: Exception, code: int = 2) -> typing.NoReturn:
    """Print an error the way every command does, and leave."""
    print(f"sft {command}: {error}" if command else f"sft: {error}", file=sys.stderr)
    raise typer.Exit(code)


def run_command(name: str, function: Callable[..., Any], settings: type, values: dict[str, Any]) -> int:
    """Run a command's function on its parsed settings and give the exit code."""
    try:
        checked = {field.name: field.flag.check(field.option, values[field.name]) for field in fields_of(settings)}
        resolved = settings(**checked)
        limit_lines(resolved.max_line_bytes)
        if resolved.print_config:
            sys.stdout.write(as_toml(name, resolved))
        else:
            _run(function, resolved, Run(name, resolved, sys.argv[1:]))
        sys.stdout.flush()  # notice a closed pipe here, not when the interpreter exits
    except BrokenPipeError:
        close_stdout_quietly()
    except (UserError, AnswerIsNo) as error:
        if os.environ.get("SFT_DEBUG"):
            traceback.print_exc()
        if str(error):
            print(f"sft {name}: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if error.errno not in NO_SPACE:
            return report_bug(f"sft {name}")
        where = f"{error.filename}: " if error.filename else ""
        print(f"sft {name}: {where}{error.strerror}\nhint: free some disk space", file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:
        print(f"sft {name}: {str(error) or 'interrupted'}", file=sys.stderr)
        return 143 if isinstance(error, Terminated) else 130
    except Exception:
        return report_bug(f"sft {name}")
    finally:
        limit_lines(MOST_LINE_BYTES)  # the next command in this process has its own flag
    return 0


def report_bug(command: str) -> int:
    """Print the traceback of an error that no user can correct, and return its exit code."""
    traceback.print_exc()
    print(f"{command}: this is a bug in sft; please report it with the lines above", file=sys.stderr)
    return 70


def _run(function: Callable[..., Any], settings: Any, run: Run) -> None:
    if ranks_of(os.environ).size == 1:  # several processes find it when they have met, so that one of them says it
        for field in fields_of(type(settings)):
            field.check_files(getattr(settings, field.name))
    with RaisedSignals(f"sft {run.command}", run.release):
        try:
            if run.recovers() or (settings.skip_if_current and run.is_current()):
                run.say(f"sft {run.command}: {settings.out} is up to date")
                if settings.prints_path:
                    print(settings.out)
            else:
                function(settings, run)
        finally:
            run.release()


def run(*words: Any) -> int:
    """The exit code of `sft WORDS…`, done in this process."""
    try:
        build_command(str(words[0]))(args=[str(word) for word in words[1:]], prog_name=f"sft {words[0]}")
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0


def main() -> None:
    """Entry point of the program."""
    leave_at_signals()
    for stream in (sys.stdout, sys.stderr):  # JSONL is UTF-8 whatever the locale says
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="strict" if stream is sys.stdout else "backslashreplace")
    try:
        name = known_name(sys.argv[1], COMMANDS) if sys.argv[1:] else None
        if name:
            # Straight to the command: parsing the group's own options first would cost every command 60 ms (pydantic).
            build_command(name)(args=sys.argv[2:], prog_name=f"sft {name}")
        app(prog_name="sft")
    except Exception:  # one that no command has caught: Python's own exit code would read as "the answer is no"
        sys.exit(report_bug("sft"))
