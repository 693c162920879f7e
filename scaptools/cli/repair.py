"""``scap repair``: what is intact of a damaged capture."""

from __future__ import annotations

from typing import Any

import click

from scaptools.cli.options import compression_option
from scaptools.cli.spooling import repeatable


@click.command("repair", short_help="Write what is intact of a damaged capture.")
@click.argument("source", metavar="IN")
@click.argument("output", metavar="OUT")
@compression_option
@click.option("-q", "--quiet", is_flag=True, help="Only the totals.")
def command(source: str, output: str, compression: Any, quiet: bool) -> None:
    """Write every intact block of the capture IN to OUT, in the order and with the lengths every reader wants.

    \b
    Example:
      scap repair broken.scap fixed.scap
    """
    from scaptools.capture.reader import open_reader
    from scaptools.capture.repair import repair_capture
    from scaptools.capture.writer import CaptureWriter

    with (
        repeatable([source]) as (name,),
        open_reader(name, headless=True) as reader,
        CaptureWriter(output, compression=compression) as writer,
    ):
        report = repair_capture(reader, writer)
    if not quiet:
        for remark in report.remarks:
            click.echo(f"scap: {remark}", err=True)
    click.echo(f"{report.events} events written to {writer.name}", err=True)
    if report.lost_bytes or report.dropped_events:
        click.echo(
            f"{report.lost_bytes} bytes lost, {report.dropped_events} broken events left out, "
            f"about {report.missing_events} events missing",
            err=True,
        )
    elif not report.changed:
        click.echo("nothing was broken", err=True)
