"""``scap export``: captures in other tools' formats."""

from __future__ import annotations

import gc
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING

import click

from scaptools.cli.distribution import cluster_options, show_progress
from scaptools.cli.options import captures, report_damage, strict_option
from scaptools.cli.plugin_host import plugin_options
from scaptools.errors import ExitStatus, ExportError

if TYPE_CHECKING:
    from scaptools.api import Capture
    from scaptools.plugins.host import PluginHost

#: Target formats and the suffixes that stand for them.
FORMATS = {
    "wireshark": (".pcapng",),
    "stratoshark": (),
    "parquet": (".parquet", ".pq"),
    "arrow": (".arrow", ".feather"),
    "csv": (".csv",),
    "jsonl": (".jsonl", ".ndjson"),
}
#: What the tables are written as where OUT is a directory.
_DIRECTORY_FORMAT = "parquet"
#: Bytes of a capture that become one row group.
_TABLE_WINDOW_BYTES = 12 << 20


@click.command("export", short_help="Write a capture in another tool's format.")
@click.argument("file")
@click.argument("out")
@click.option("--to", "target", type=click.Choice(list(FORMATS)), help="The format; by default told by OUT's suffix.")
@click.option("--where", metavar="FILTER", help="Only the events that match.")
@click.option("--fields", metavar="A,B,...", help="The columns of a table; by default those of the event source.")
@click.option("--source", metavar="NAME", help="Only the events of one source, as evt.source gives it.")
@click.option("--packets", is_flag=True, help="For Wireshark: network packets too, rebuilt from socket calls.")
@click.option("--packets-only", is_flag=True, help="For tcpdump and others: those packets, and nothing else.")
@plugin_options
@cluster_options
@strict_option
def command(
    file: str,
    out: str,
    target: str | None,
    where: str | None,
    fields: str | None,
    source: str | None,
    packets: bool,
    packets_only: bool,
    workers: int | None,
    scheduler: str | None,
    strict: bool,
    host: PluginHost | None,
) -> int:
    """Write the capture FILE to OUT in another format.

    Tables (Parquet, Arrow, CSV, JSON lines) have a row for every event and a column for every field. Where OUT is a
    directory, or ends with a slash, it becomes a dataset of Parquet files by source and day; with --workers or
    --scheduler FILE may be a pattern for many captures.

    \b
    Examples:
      scap export trail.scap trail.pcapng
      scap export host.scap host.pcapng --packets
      scap export host.scap opens.parquet --where 'evt.type=openat' --fields evt.time,proc.name,fd.name
      scap export host.scap host-dataset/
      scap export 'captures/*.scap' dataset/ --workers 4
    """
    from scaptools.api import Capture

    chosen = _format(out, target)
    is_table = chosen not in {"wireshark", "stratoshark"}
    if not is_table and (fields is not None or source is not None):
        raise click.UsageError(f"--fields and --source are for tables, not for {chosen}.")
    if (packets or packets_only) and chosen != "wireshark":
        raise click.UsageError("--packets is for Wireshark.")
    names = None if fields is None else [name.strip() for name in fields.split(",") if name.strip()]
    if workers is not None or scheduler is not None:
        if host is not None:
            raise click.UsageError("--plugin and --config are not for clusters: their processes use what is installed.")
        damage = _write_on_cluster(file, out, chosen, names, where, source, scheduler, workers or 2)
        for text in damage:
            click.echo(f"scap: {text}", err=True)
        return ExitStatus.DAMAGED if damage and strict else ExitStatus.DONE
    # What is there now stays to the end; looking through it again at every collection costs more than it gives back.
    gc.freeze()
    with Capture(file, plugins=host) as capture:
        if is_table:
            _write_tables(capture, out, chosen, where, names, source)
        elif chosen == "stratoshark":
            _write_stratoshark(capture, out, where)
        else:
            _write_packets(capture, out, where, packets=packets or packets_only, events=not packets_only)
        errors = capture.reader.damage_errors()
    return report_damage(errors, strict=strict)


def _write_on_cluster(
    pattern: str,
    out: str,
    format_: str,
    names: list[str] | None,
    where: str | None,
    source: str | None,
    scheduler: str | None,
    workers: int,
) -> list[str]:
    """Write a dataset on a cluster; the damage met."""
    from scaptools.export.cluster import DatasetJob, export_on_cluster
    from scaptools.export.tableexport import is_directory

    if not is_directory(out) or format_ != _DIRECTORY_FORMAT:
        raise click.UsageError("A cluster writes a Parquet dataset: OUT has to be a directory.")

    result = export_on_cluster(
        captures((pattern,), ()),
        DatasetJob(out, names, where, source),
        scheduler=scheduler,
        workers=workers,
        progress=show_progress,
    )
    click.echo(f"{sum(result.rows.values())} rows written to {len(result.rows)} files in {out}", err=True)
    return result.damage


def _format(out: str, target: str | None) -> str:
    if target is not None:
        return target
    suffix = PurePath(out).suffix
    from scaptools.export.tableexport import is_directory

    if is_directory(out):
        return _DIRECTORY_FORMAT
    by_suffix = next((name for name, suffixes in FORMATS.items() if suffix in suffixes), None)
    if by_suffix is None:
        known = ", ".join(f"{suffixes[0]} ({name})" for name, suffixes in FORMATS.items() if suffixes)
        raise ExportError(f"no format has the suffix {suffix or '(none)'}", path=out, hint=f"use --to, or {known}")
    return by_suffix


def _write_tables(
    capture: Capture, out: str, format_: str, where: str | None, fields: list[str] | None, source: str | None
) -> None:
    from scaptools.export.ahead import read_ahead
    from scaptools.export.sharing import export_shares
    from scaptools.export.tableexport import TableExport
    from scaptools.export.tables import TableChoice

    choice = TableChoice(capture.catalog, fields, source)
    predicate = None if where is None else capture.compile(where)
    needed = choice.needed
    in_filter = () if predicate is None else predicate.fields
    count = export_shares(capture.name, capture.catalog, [*needed, *in_filter])
    capture.reader.window_bytes = _TABLE_WINDOW_BYTES
    with TableExport(out, format_, choice) as export:
        if count == 1:
            for batch, rows in read_ahead(capture.matches(predicate, fields=needed, internal=False)):
                export.add(batch, rows)
        else:
            begin = 1
            if predicate is not None and capture.can_look_ahead(predicate):
                begin = capture.first_match(predicate, internal=False)
            if begin:
                looked_at = partial(capture.looked_at, predicate, fields=needed, internal=False, begin=begin)
                export.share_out(lambda share: looked_at(share=share), count)
    for name, count in export.rows.items():
        click.echo(f"{count} rows written to {name}", err=True)


def _write_stratoshark(capture: Capture, out: str, where: str | None) -> None:
    from scaptools.capture.writer import CaptureWriter
    from scaptools.export.stratoshark import StratosharkExport

    export = StratosharkExport(None if where is None else capture.compile(where))
    with CaptureWriter(out) as writer:
        count = export.run(capture.reader, writer)
    click.echo(f"{count} events written to {writer.name}", err=True)


def _write_packets(capture: Capture, out: str, where: str | None, *, packets: bool, events: bool) -> None:
    from scaptools.capture.writer import CaptureWriter
    from scaptools.export.sharing import export_shares
    from scaptools.export.wireshark import WiresharkExport

    predicate = None if where is None else capture.compile(where)
    export = WiresharkExport(capture.catalog, packets=packets, events=events, predicate=predicate)
    export.share_out(export_shares(capture.name, capture.catalog, export.fields))
    with CaptureWriter(out) as writer:
        result = export.run(capture.reader, writer)
    counts = ", ".join(f"{count} from {source}" for source, count in result.packets.items()) or "none"
    click.echo(f"packets written to {writer.name}: {counts}", err=True)
    if result.shortened:
        click.echo(f"{result.shortened} payloads were shortened to what Wireshark reads", err=True)
    if result.cut:
        click.echo(f"{result.cut} network packets lack data; record with a larger snaplen to have it all", err=True)
