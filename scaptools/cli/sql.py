"""``scap sql``: questions in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scaptools.cli.listing import show_rows
from scaptools.cli.options import report_damage, strict_option
from scaptools.cli.plugin_host import plugin_options
from scaptools.cli.printing import standard_output

if TYPE_CHECKING:
    import pyarrow as pa

    from scaptools.plugins.host import PluginHost


@click.command("sql", short_help="Ask a question in SQL, answered by DuckDB.")
@click.argument("query")
@click.argument("file")
@click.option("--where", metavar="FILTER", help="Only the events that match.")
@click.option("--json", "listing", flag_value="json", help="One JSON object a line.")
@click.option("--csv", "listing", flag_value="csv", help="CSV with a header.")
@click.option("--text", "listing", flag_value="text", default="text", help="An aligned table (default).")
@plugin_options
@strict_option
def command(query: str, file: str, where: str | None, listing: str, strict: bool, host: PluginHost | None) -> int:
    """Run QUERY, a SELECT statement, over the capture FILE.

    Tables are events and the event sources (syscall, aws_cloudtrail), columns are fields. Only what the query names
    is worked out; --where leaves events out before that.

    \b
    Examples:
      scap sql 'select proc.name, count(*) from events group by 1 order by 2 desc limit 5' host.scap
      scap sql 'select ct.user, max(evt.time) from aws_cloudtrail group by 1' trail.scap --json
    """
    from scaptools.api import Capture
    from scaptools.export.sql import run_query

    with Capture(file, plugins=host) as capture:
        table = run_query(
            query,
            capture.catalog,
            lambda source, columns: capture.record_batches(columns, where=where, source=source),
        )
        _show(table, listing)
        errors = capture.reader.damage_errors()
    return report_damage(errors, strict=strict)


def _show(table: pa.Table, listing: str) -> None:
    import pyarrow as pa

    # Python's own times have no ns.
    for place, column in enumerate(table.schema):
        if pa.types.is_timestamp(column.type):
            instants = table[column.name].cast(pa.timestamp("ns", "UTC"))
            table = table.set_column(place, column.name, instants.cast(pa.string()))
    if listing == "csv":
        from scaptools.export.tablefiles import write_csv

        write_csv(table, standard_output())
    elif listing == "json":
        import json

        for row in table.to_pylist():
            click.echo(json.dumps(row, default=_text, ensure_ascii=False))
    else:
        names = tuple(table.column_names)
        rows = [tuple("" if value is None else _text(value) for value in row.values()) for row in table.to_pylist()]
        show_rows([names, *rows], names, "text")


def _text(value: object) -> str:
    """What a value reads that has no form of its own."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
