"""The ``scap`` command: its subcommands, loaded when called, and how errors end it."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from scaptools._version import __version__
from scaptools.cli.process import prepare_process
from scaptools.errors import ExitStatus, FilterError, ScapError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Subcommand -> its one-line help. Each lives in the module of its name, imported when it is called.
COMMANDS = {
    "info": "Show what is in a capture.",
    "dump": "Print every event.",
    "filter": "Print, count or write the events that match.",
    "record": "Record the events of source plugins into a capture.",
    "replay": "Give the events of captures once more, as fast as they came or faster.",
    "rules": "Check, list, run, explain and test Falco rules.",
    "diff": "Compare two captures or two sets of alerts.",
    "export": "Write a capture in another tool's format.",
    "sql": "Ask a question in SQL, answered by DuckDB.",
    "merge": "Join captures by time.",
    "split": "Cut a capture into several.",
    "convert": "Write a capture again, compressed or in the newest schema.",
    "repair": "Write what is intact of a damaged capture.",
    "index": "Index captures, so that later queries read only what they need.",
    "fields": "List the fields filters and formats can use.",
    "events": "List the event types and their parameters.",
    "plugins": "List and describe plugins.",
}

_TRACEBACK_VERBOSITY = 3
#: Status of what is this program's own fault, as in sysexits.h.
_INTERNAL_ERROR = 70


class LazyGroup(click.Group):
    """A group whose commands are imported on use, so that help and start-up stay light."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The subcommands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand's module and return its command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"scaptools.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand, or say which ones are near."""
        if args and args[0] not in COMMANDS:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=2)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Captures are paths, fsspec URLs or - for standard input, compressed or not.",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.option("-v", "--verbose", count=True, help="Say more; -vvv shows tracebacks.")
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    help="Colour on terminals; NO_COLOR turns it off.",
)
@click.pass_context
def cli(ctx: click.Context, verbose: int, color: str) -> None:
    """Falco/sysdig capture files (.scap): read, filter, record plugin streams, export."""
    ctx.ensure_object(dict)
    ctx.obj.update(verbose=verbose, color=color)
    ctx.color = {"auto": None, "always": True, "never": False}[color]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status is returned, and also what the process ends with."""
    if argv is None:
        prepare_process()
    arguments = list(sys.argv[1:] if argv is None else argv)
    state: dict[str, Any] = {"verbose": _verbosity(arguments)}
    try:
        result = cli.main(arguments, prog_name="scap", standalone_mode=False, obj=state)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output has gone; nothing is wrong, and nothing may be flushed to it any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _end(ExitStatus.DONE)
    except click.exceptions.Exit as ending:
        return _end(ending.exit_code)
    except click.ClickException as error:
        error.show(sys.stderr)
        return _end(ExitStatus.USAGE)
    except (KeyboardInterrupt, click.Abort):
        click.echo("scap: interrupted", err=True)
        return _end(ExitStatus.INTERRUPTED)
    except ScapError as error:
        if state["verbose"] >= _TRACEBACK_VERBOSITY:
            raise
        show_error(error)
        return _end(error.exit_status)
    except Exception as error:
        if state["verbose"] >= _TRACEBACK_VERBOSITY:
            raise
        click.echo(f"scap: internal error: {type(error).__name__}: {error}; -vvv shows where", err=True)
        return _end(_INTERNAL_ERROR)
    return _end(result if isinstance(result, int) else ExitStatus.DONE)


def show_error(error: ScapError) -> None:
    """One line on standard error; a filter error also shows where in the expression."""
    click.echo(f"scap: {error}", err=True)
    if isinstance(error, FilterError):
        click.echo(error.caret(), err=True)


def _verbosity(arguments: Sequence[str]) -> int:
    return sum(
        argument.count("v") if not argument.startswith("--") else argument == "--verbose"
        for argument in arguments
        if argument == "--verbose" or (argument.startswith("-v") and set(argument[1:]) == {"v"})
    )


def _end(status: int) -> int:
    sys.exit(int(status))


if __name__ == "__main__":
    main()
