"""``scap convert``: a capture written again."""

from __future__ import annotations

from typing import Any

import click

from scaptools.cli.options import compression_option, report_damage, strict_option
from scaptools.cli.spooling import repeatable, shown_name


@click.command("convert", short_help="Write a capture again, compressed or in the newest schema.")
@click.argument("source", metavar="IN")
@click.argument("output", metavar="OUT")
@click.option("--convert", "newest", is_flag=True, help="Upgrade old enter and exit events to the newest schema.")
@compression_option
@strict_option
def command(source: str, output: str, newest: bool, compression: Any, strict: bool) -> int:
    """Write the capture IN to OUT, - for standard input and output.

    Without options the decompressed bytes of IN come out, every one of them.

    \b
    Examples:
      scap convert host.scap.gz host.scap
      scap convert old.scap new.scap --convert --compression zstd
    """
    from scaptools.capture.copying import copy_bytes, write_newest
    from scaptools.capture.reader import open_reader
    from scaptools.capture.writer import CaptureWriter

    with repeatable([source] if newest else []) as spooled, open_reader(spooled[0] if spooled else source) as reader:
        reader.name = shown_name(source)
        with CaptureWriter(output, compression=compression) as writer:
            if newest:
                events, late = write_newest(reader, writer)
                report = f"{events} events written to {writer.name}"
                report += f", {late} blocks behind events left out" if late else ""
            else:
                report = f"{copy_bytes(reader, writer)} bytes written to {writer.name}"
        click.echo(report, err=True)
        return report_damage(reader.damage_errors(), strict=strict)
