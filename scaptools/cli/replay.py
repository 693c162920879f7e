"""``scap replay``: captures once more, merged by time, flat out or at a pace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from scaptools.cli.options import capture_argument, captures, compression_option, report_damage, strict_option
from scaptools.cli.plugin_host import build_host, plugin_options
from scaptools.cli.printing import PrintOptions, choose_printing, print_options, standard_output, write_failed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch


@click.command("replay", short_help="Give the events of captures once more, as fast as they came or faster.")
@capture_argument
@click.option("--filter", "expression", metavar="EXPRESSION", help="Only events that match.")
@click.option(
    "--speed",
    type=click.FloatRange(0, min_open=True),
    metavar="FACTOR",
    help="So many times as fast as the events came; without it as fast as possible.",
)
@click.option("-w", "--write", "output", metavar="OUT", help="Write a capture instead of printing, - for stdout.")
@compression_option
@plugin_options
@print_options
@click.option("-n", "--limit", type=click.IntRange(1), metavar="N", help="Stop after N events.")
@click.option("--all", "internal", is_flag=True, help="Internal events too.")
@strict_option
def command(
    files: tuple[str, ...],
    read: tuple[str, ...],
    expression: str | None,
    speed: float | None,
    output: str | None,
    compression: Any,
    plugins: tuple[str, ...],
    plugin_config: str | None,
    in_process: bool,
    plugin_timeout: float,
    limit: int | None,
    internal: bool,
    strict: bool,
    **printing: Any,
) -> int:
    """Print the events of all captures in order of time, when they are due.

    \b
    Examples:
      scap replay host.scap trail.scap --speed 1
      scap replay trail.scap --speed 60 --filter 'ct.error exists' --json
    """
    from scaptools.columns import ALL_ROWS
    from scaptools.fields.catalog import Catalog
    from scaptools.output.writer import RenderedOutput
    from scaptools.replay import Pace, Replay

    host = build_host(plugins, plugin_config, in_process=in_process, plugin_timeout=plugin_timeout)
    catalog = Catalog(host)
    replay = Replay(captures(files, read), catalog=catalog, pace=None if speed is None else Pace(speed))
    if output is not None:
        _write(_first(replay.batches(expression, internal=internal), limit), output, compression)
    else:
        chosen = choose_printing(catalog, PrintOptions(**printing))
        shown = RenderedOutput(chosen.renderer, standard_output())
        try:
            for batch, rows in _first(replay.batches(expression, fields=chosen.fields, internal=internal), limit):
                # Columns of whole batches are shared between fields; those of a choice of rows are not.
                shown.write(batch, ALL_ROWS if len(rows) == len(batch) else rows)
            shown.close()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise write_failed(error) from error
    return report_damage(replay.damage, strict=strict)


def _write(batches: Iterator[tuple[EventBatch, NDArray[np.intp]]], output: str, compression: Any) -> None:
    from scaptools.capture.writer import CaptureWriter

    count = 0
    with CaptureWriter(output, compression=compression) as writer:
        section = None
        for batch, rows in batches:
            if batch.section is not section:
                section = batch.section
                writer.metadata(section)
            writer.write([batch.raw_blocks(rows)])
            count += len(rows)
        if section is None:
            writer.section_header()
    click.echo(f"{count} events written to {writer.name}", err=True)


def _first(
    batches: Iterator[tuple[EventBatch, NDArray[np.intp]]], limit: int | None
) -> Iterator[tuple[EventBatch, NDArray[np.intp]]]:
    """As many events as wanted."""
    left = limit
    for batch, rows in batches:
        yield batch, rows[:left]
        if left is not None:
            left -= len(rows)
            if left <= 0:
                return
