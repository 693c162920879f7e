"""``scap filter``: the events that match."""

from __future__ import annotations

from typing import Any

import click

from scaptools.cli.options import capture_argument, compression_option, strict_option
from scaptools.cli.printing import print_options
from scaptools.cli.selection import count_matches, explain, print_matches, write_matches


@click.command("filter", short_help="Print, count or write the events that match.")
@click.argument("expression")
@capture_argument
@click.option("-w", "--write", "output", metavar="OUT", help="Write a capture of the events instead of printing them.")
@click.option("-c", "--count", "counting", is_flag=True, help="Print only how many events match.")
@click.option("--explain-plan", "explaining", is_flag=True, help="Print how the filter is evaluated, and nothing else.")
@click.option("--exit-code", "by_status", is_flag=True, help="End with status 1 where nothing matches.")
@compression_option
@print_options
@strict_option
def command(
    expression: str,
    files: tuple[str, ...],
    read: tuple[str, ...],
    output: str | None,
    counting: bool,
    explaining: bool,
    by_status: bool,
    compression: Any,
    form: str | None,
    fields: str | None,
    as_json: bool,
    limit: int | None,
    internal: bool,
    strict: bool,
) -> int:
    """Print the events that match EXPRESSION, a filter in the language of Falco and sysdig.

    \b
    Examples:
      scap filter 'evt.type=open and evt.dir=<' host.scap
      scap filter 'ct.region=us-east-1 and ct.name=ConsoleLogin' trail.scap -w logins.scap
      scap filter -c 'ct.error exists' trail.scap
    """
    if explaining:
        return explain(expression)
    options: dict[str, Any] = {"limit": limit, "internal": internal, "strict": strict, "by_status": by_status}
    if output is not None:
        return write_matches(expression, files, read, output, compression, **options)
    if counting:
        return count_matches(expression, files, read, **options)
    return print_matches(expression, files, read, form, fields, as_json=as_json, **options)
