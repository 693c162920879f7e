"""``scap export``: captures in other tools' formats."""

from __future__ import annotations

from pathlib import PurePath

import click

from scaptools.cli.options import report_damage, strict_option
from scaptools.errors import ExportError

#: Target formats and the suffixes that stand for them.
FORMATS = {"wireshark": (".pcapng",)}


@click.command("export", short_help="Write a capture in another tool's format.")
@click.argument("file")
@click.argument("out")
@click.option("--to", "target", type=click.Choice(sorted(FORMATS)), help="The format; by default told by OUT's suffix.")
@strict_option
def command(file: str, out: str, target: str | None, strict: bool) -> int:
    """Write the capture FILE to OUT in another format.

    \b
    Example:
      scap export trail.scap trail.pcapng
    """
    from scaptools.api import Capture
    from scaptools.capture.writer import CaptureWriter
    from scaptools.export.wireshark import WiresharkExport

    _check_target(out, target)
    with Capture(file) as capture, CaptureWriter(out) as writer:
        result = WiresharkExport(capture.catalog).run(capture.reader, writer)
        errors = capture.reader.damage_errors()
    counts = ", ".join(f"{count} from {source}" for source, count in result.packets.items()) or "none"
    click.echo(f"packets written to {writer.name}: {counts}", err=True)
    if result.shortened:
        click.echo(f"{result.shortened} payloads were shortened to what Wireshark reads", err=True)
    return report_damage(errors, strict=strict)


def _check_target(out: str, target: str | None) -> str:
    suffix = PurePath(out).suffix
    by_suffix = next((name for name, suffixes in FORMATS.items() if suffix in suffixes), None)
    if target is None and by_suffix is None:
        known = ", ".join(f"{suffixes[0]} ({name})" for name, suffixes in FORMATS.items())
        raise ExportError(f"no format has the suffix {suffix or '(none)'}", path=out, hint=f"use --to, or {known}")
    return target or str(by_suffix)
