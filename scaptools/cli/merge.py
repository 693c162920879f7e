"""``scap merge``: captures joined by time."""

from __future__ import annotations

from typing import Any

import click

from scaptools.cli.options import capture_argument, captures, compression_option, report_damage, strict_option


@click.command("merge", short_help="Join captures by time.")
@capture_argument
@click.option("-w", "--write", "output", required=True, metavar="OUT", help="The capture to write, - for stdout.")
@compression_option
@strict_option
def command(files: tuple[str, ...], read: tuple[str, ...], output: str, compression: Any, strict: bool) -> int:
    """Write the events of all captures to OUT in order of time, after the metadata of all.

    \b
    Example:
      scap merge host.scap trail.scap -w mixed.scap
    """
    from scaptools.capture.merge import merge_captures
    from scaptools.capture.reader import open_reader
    from scaptools.capture.writer import CaptureWriter

    readers = [open_reader(name) for name in captures(files, read)]
    with CaptureWriter(output, compression=compression) as writer:
        written = merge_captures(readers, writer)
    click.echo(f"{written} events written to {writer.name}", err=True)
    return report_damage((error for reader in readers for error in reader.damage_errors()), strict=strict)
