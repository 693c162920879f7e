"""``scap filter``: the events that match."""

from __future__ import annotations

from typing import Any

import click

from scaptools.cli.choice import Choice, choice_options
from scaptools.cli.options import capture_argument, compression_option, strict_option
from scaptools.cli.printing import PrintOptions, print_options
from scaptools.cli.selection import count_matches, explain, print_matches


@click.command("filter", short_help="Print, count or write the events that match.")
@click.argument("expression")
@capture_argument
@click.option("-w", "--write", "output", metavar="OUT", help="Write a capture of the events instead of printing them.")
@click.option("--minimal", is_flag=True, help="With -w: without the events that keep the state up to date.")
@click.option(
    "--sanitize",
    "sanitized",
    is_flag=True,
    help="With -w: without the processes, environments, descriptors, users and buffers the filter does not need.",
)
@click.option("-c", "--count", "counting", is_flag=True, help="Print only how many events match.")
@click.option("--explain-plan", "explaining", is_flag=True, help="Print how the filter is evaluated, and nothing else.")
@click.option("--exit-code", "by_status", is_flag=True, help="End with status 1 where nothing matches.")
@compression_option
@print_options
@choice_options
@strict_option
def command(
    expression: str,
    files: tuple[str, ...],
    read: tuple[str, ...],
    output: str | None,
    minimal: bool,
    sanitized: bool,
    counting: bool,
    explaining: bool,
    by_status: bool,
    compression: Any,
    limit: int | None,
    skip: int,
    numbers: tuple[int, int] | None,
    after: Any,
    before: Any,
    internal: bool,
    strict: bool,
    **printing: Any,
) -> int:
    """Print the events that match EXPRESSION, a filter in the language of Falco and sysdig.

    With -w the events go into a capture, together with earlier ones that changed what is known about their processes
    and descriptors; those are marked, so that nobody shows them.

    \b
    Examples:
      scap filter 'evt.type=open and evt.dir=<' host.scap
      scap filter 'ct.region=us-east-1 and ct.name=ConsoleLogin' trail.scap -w logins.scap
      scap filter -c 'ct.error exists' trail.scap
      scap filter 'proc.name=nginx' --after +60s --sanitize -w part.scap host.scap
    """
    if explaining:
        return explain(expression)
    choice = Choice(limit, skip, numbers, after, before, internal)
    ending: dict[str, bool] = {"strict": strict, "by_status": by_status}
    if output is not None:
        from scaptools.cli.subset import write_matches

        return write_matches(
            expression, files, read, choice, output, compression, minimal=minimal, sanitized=sanitized, **ending
        )
    if minimal or sanitized:
        raise click.UsageError("--minimal and --sanitize are about what -w writes.")
    if counting:
        return count_matches(expression, files, read, choice, **ending)
    return print_matches(expression, files, read, choice, PrintOptions(**printing), **ending)
