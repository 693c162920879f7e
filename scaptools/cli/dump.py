"""``scap dump``: every event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from scaptools.cli.blocks import print_blocks
from scaptools.cli.choice import Choice, choice_options
from scaptools.cli.following import follow_option
from scaptools.cli.options import capture_argument, captures, strict_option
from scaptools.cli.plugin_host import plugin_options
from scaptools.cli.printing import PrintOptions, print_options
from scaptools.cli.selection import print_matches

if TYPE_CHECKING:
    from scaptools.plugins.host import PluginHost


@click.command("dump", short_help="Print every event.")
@capture_argument
@click.option("--blocks", "blocks", is_flag=True, help="Every block of the captures, in full, instead of events.")
@follow_option
@print_options
@choice_options
@plugin_options
@strict_option
def command(
    files: tuple[str, ...],
    read: tuple[str, ...],
    blocks: bool,
    follow: bool,
    limit: int | None,
    skip: int,
    numbers: tuple[int, int] | None,
    after: Any,
    before: Any,
    internal: bool,
    strict: bool,
    host: PluginHost | None,
    **printing: Any,
) -> int:
    """Print every event of the captures, by default as sysdig does.

    \b
    Examples:
      scap dump trail.scap
      scap dump -p '%evt.time %evt.type %evt.args' host.scap
      scap dump -X --after +10s -n 100 host.scap
      scap dump --json --fields evt.num,ct.name trail.scap | jq .
      scap dump --blocks -n 20 host.scap
      scap dump --follow recording.scap
    """
    options = PrintOptions(**printing)
    if blocks:
        if not options.is_plain and not options.is_json:
            raise click.UsageError(
                "--blocks prints blocks as they are: only --json, -n, --follow and --strict go with it."
            )
        names = captures(files, read)
        return print_blocks(names, limit=limit, as_json=options.as_json, strict=strict, follow=follow)
    choice = Choice(limit, skip, numbers, after, before, internal)
    return print_matches(None, files, read, choice, options, strict=strict, host=host, follow=follow)
