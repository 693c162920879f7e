"""``scap dump``: every event."""

from __future__ import annotations

import click

from scaptools.cli.options import capture_argument, strict_option
from scaptools.cli.printing import print_options
from scaptools.cli.selection import print_matches


@click.command("dump", short_help="Print every event.")
@capture_argument
@print_options
@strict_option
def command(
    files: tuple[str, ...],
    read: tuple[str, ...],
    form: str | None,
    fields: str | None,
    as_json: bool,
    limit: int | None,
    internal: bool,
    strict: bool,
) -> int:
    """Print every event of the captures, by default as sysdig does.

    \b
    Examples:
      scap dump trail.scap
      scap dump -p '%evt.time %evt.type %evt.args' host.scap
      scap dump --json --fields evt.num,ct.name trail.scap | jq .
    """
    return print_matches(
        None, files, read, form, fields, as_json=as_json, limit=limit, internal=internal, strict=strict
    )
