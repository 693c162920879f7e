"""``scap split``: a capture as several."""

from __future__ import annotations

from typing import Any

import click

from scaptools.cli.options import compression_option, report_damage, strict_option
from scaptools.cli.rotation import rotation_limits, rotation_options


@click.command("split", short_help="Cut a capture into several.")
@click.argument("source", metavar="IN")
@click.argument("output", metavar="OUT")
@rotation_options
@compression_option
@strict_option
def command(
    source: str,
    output: str,
    max_size: float | None,
    max_seconds: float | None,
    max_events: int | None,
    max_files: int | None,
    compression: Any,
    strict: bool,
) -> int:
    """Write the capture IN to parts, each with all metadata: OUT-0001, OUT-0002, and so on.

    With % in OUT the parts are named by the time (UTC) of their first event, as strftime does.

    \b
    Examples:
      scap split long.scap part.scap --max-events 100000
      scap split day.scap hour-%H.scap --max-seconds 3600
    """
    from scaptools.capture.reader import open_reader
    from scaptools.capture.rotation import RotatingWriter
    from scaptools.capture.split import split_capture

    limits = rotation_limits(max_size, max_seconds, max_events, max_files)
    if limits is None:
        raise click.UsageError("Say when a part ends: -C, -G or --max-events.")
    with open_reader(source) as reader:
        with RotatingWriter(output, limits, compression=compression, atomic=True) as writer:
            events = split_capture(reader, writer)
        click.echo(f"{events} events written to {len(writer.parts)} captures", err=True)
        return report_damage(reader.damage_errors(), strict=strict)
