"""``scap index``: a sidecar that lets later queries read only what they need."""

from __future__ import annotations

from pathlib import Path

import click

from scaptools.cli.foregone import about_types
from scaptools.cli.options import capture_argument, captures, report_damage, strict_option


@click.command("index", short_help="Index captures, so that later queries read only what they need.")
@capture_argument
@click.option("--no-state", "stateless", is_flag=True, help="Do not keep the state of processes now and then: quicker.")
@strict_option
def command(files: tuple[str, ...], read: tuple[str, ...], stateless: bool, strict: bool) -> int:
    """Write FILE.scapidx beside each capture.

    An index is used wherever it fits its capture and ignored where the capture has changed. It knows the headers of
    all events and, every two million of them, the state of all processes; of a gzip capture also where decompressing
    can begin.

    \b
    Example:
      scap index *.scap
    """
    from scaptools.capture.index import CHUNK_BYTES
    from scaptools.capture.indexing import write_index
    from scaptools.capture.reader import open_reader
    from scaptools.capture.sidecar import sidecar_path
    from scaptools.errors import InputError
    from scaptools.state.keeper import CheckpointKeeper

    errors = []
    for name in captures(files, read):
        if not Path(name).is_file():
            raise InputError("is no file an index could lie beside", path=name)
        with open_reader(name, window_bytes=CHUNK_BYTES) as reader:
            index = write_index(
                reader, Path(name), keeper=None if stateless else CheckpointKeeper(), describe=about_types
            )
            errors += reader.damage_errors()
        events = int(index.chunks["events"].sum())
        target = sidecar_path(Path(name))
        click.echo(f"{events} events in {len(index.chunks)} chunks, written to {target}", err=True)
    return report_damage(errors, strict=strict)
