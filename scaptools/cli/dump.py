"""``scap dump``: every event."""

from __future__ import annotations

from typing import Any

import click

from scaptools.cli.choice import Choice, choice_options
from scaptools.cli.options import capture_argument, strict_option
from scaptools.cli.printing import PrintOptions, print_options
from scaptools.cli.selection import print_matches


@click.command("dump", short_help="Print every event.")
@capture_argument
@print_options
@choice_options
@strict_option
def command(
    files: tuple[str, ...],
    read: tuple[str, ...],
    limit: int | None,
    skip: int,
    numbers: tuple[int, int] | None,
    after: Any,
    before: Any,
    internal: bool,
    strict: bool,
    **printing: Any,
) -> int:
    """Print every event of the captures, by default as sysdig does.

    \b
    Examples:
      scap dump trail.scap
      scap dump -p '%evt.time %evt.type %evt.args' host.scap
      scap dump -X --after +10s -n 100 host.scap
      scap dump --json --fields evt.num,ct.name trail.scap | jq .
    """
    choice = Choice(limit, skip, numbers, after, before, internal)
    return print_matches(None, files, read, choice, PrintOptions(**printing), strict=strict)
