"""``scap index``: a sidecar that lets later queries read only what they need."""

from __future__ import annotations

from pathlib import Path

import click

from scaptools.cli.options import capture_argument, captures, report_damage, strict_option


@click.command("index", short_help="Index captures, so that later queries read only what they need.")
@capture_argument
@strict_option
def command(files: tuple[str, ...], read: tuple[str, ...], strict: bool) -> int:
    """Write FILE.scapidx beside each capture.

    An index is used wherever it fits its capture and ignored where the capture has changed.

    \b
    Example:
      scap index *.scap
    """
    from scaptools.capture.index import CHUNK_BYTES, build_index
    from scaptools.capture.reader import open_reader
    from scaptools.errors import InputError

    errors = []
    for name in captures(files, read):
        if not Path(name).is_file():
            raise InputError("is no file an index could lie beside", path=name)
        with open_reader(name, window_bytes=CHUNK_BYTES) as reader:
            index = build_index(reader)
            target = index.save(Path(name))
            errors += reader.damage_errors()
        events = int(index.chunks["events"].sum())
        click.echo(f"{events} events in {len(index.chunks)} chunks, written to {target}", err=True)
    return report_damage(errors, strict=strict)
