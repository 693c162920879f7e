"""``scap merge``: captures joined by time."""

from __future__ import annotations

from typing import Any

import click

from scaptools.cli.options import capture_argument, captures, compression_option, report_damage, strict_option
from scaptools.cli.spooling import repeatable, shown_name

#: Contradictions shown without --all.
_SHOWN_CONFLICTS = 10


@click.command("merge", short_help="Join captures by time.")
@capture_argument
@click.option("-w", "--write", "output", required=True, metavar="OUT", help="The capture to write, - for stdout.")
@click.option("--all", "every_conflict", is_flag=True, help="Tell every contradiction between the tables.")
@compression_option
@strict_option
def command(
    files: tuple[str, ...], read: tuple[str, ...], output: str, every_conflict: bool, compression: Any, strict: bool
) -> int:
    """Write the events of all captures to OUT in order of time, after the tables of all.

    \b
    Example:
      scap merge host.scap trail.scap -w mixed.scap
    """
    from scaptools.capture.merge import merge_captures
    from scaptools.capture.reader import open_reader
    from scaptools.capture.writer import CaptureWriter

    conflicts: list[str] = []
    names = captures(files, read)
    with repeatable(names) as spooled:
        readers = [open_reader(name) for name in spooled]
        for reader, name in zip(readers, names, strict=True):
            reader.name = shown_name(name)
        with CaptureWriter(output, compression=compression) as writer:
            written = merge_captures(readers, writer, conflicts=conflicts)
    for conflict in conflicts if every_conflict else conflicts[:_SHOWN_CONFLICTS]:
        click.echo(f"scap: {conflict}", err=True)
    if len(conflicts) > _SHOWN_CONFLICTS and not every_conflict:
        click.echo(f"scap: {len(conflicts) - _SHOWN_CONFLICTS} more contradictions, see --all", err=True)
    click.echo(f"{written} events written to {writer.name}", err=True)
    return report_damage((error for reader in readers for error in reader.damage_errors()), strict=strict)
