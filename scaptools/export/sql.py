"""SQL over captures: DuckDB reads our Arrow stream, and only the columns a query names are worked out.

The tables of a query are ``events``, all events, and event sources by name (``syscall``, ``aws_cloudtrail``). Fields
are written as they are everywhere else, ``proc.name``; in quotes where they have an argument, ``"evt.arg[flags]"``.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scaptools.errors import FormatError
from scaptools.export.streams import optional_module
from scaptools.export.tables import default_columns, is_column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from scaptools.fields.catalog import Catalog

    #: From the source (None for all) and the names of the columns wanted to the table.
    Opener = Callable[[str | None, list[str]], pa.RecordBatchReader]

#: The table of all events, and what ``*`` is of it.
EVERY_EVENT = "events"
_EVERY_EVENT_COLUMNS = (
    *("evt.num", "evt.time", "evt.source", "evt.type", "evt.dir", "thread.tid", "proc.name", "evt.args"),
    "evt.plugininfo",
)
#: What a table has if no column of it is named, as in ``count(*)``.
_ANY_COLUMN = "evt.num"


@dataclass(slots=True)
class Query:
    """A query as it is run, and what it reads: columns, how often each table, and whether all columns of them.

    ``expressions`` are the names of its common table expressions.
    """

    text: str
    columns: list[str] = field(default_factory=list)
    tables: Counter[str] = field(default_factory=Counter)
    everything: bool = False
    expressions: set[str] = field(default_factory=set)


def parse_query(connection: Any, text: str, catalog: Catalog) -> Query:
    """Take a SELECT statement apart; fields become single column names. Raises FormatError."""
    tree = json.loads(_answer(connection, "SELECT json_serialize_sql(?)", text))
    if tree.get("error"):
        raise FormatError(f"not a SELECT statement: {tree.get('error_message', 'unknown error')}")
    query = Query(text)
    columns: dict[str, None] = {}
    for node in _nodes(tree):
        if node.get("class") == "COLUMN_REF":
            _bind(node, catalog, columns)
        elif node.get("class") == "STAR":
            query.everything = True
        elif node.get("type") == "BASE_TABLE" and node["table_name"] not in query.expressions:
            query.tables[node["table_name"]] += 1
        query.expressions |= {entry["key"] for entry in node.get("cte_map", {}).get("map", ())}
    query.columns = list(columns)
    query.text = _answer(connection, "SELECT json_deserialize_sql(?::JSON)", json.dumps(tree))
    return query


def _answer(connection: Any, question: str, argument: str) -> str:
    [[answer]] = connection.execute(question, [argument]).fetchall()
    return str(answer)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object of a syntax tree, outer ones first."""
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from _nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _nodes(value)


def _bind(node: dict[str, Any], catalog: Catalog, columns: dict[str, None]) -> None:
    """Make ``proc.name`` one name where it is a field, possibly behind the name of a table or before a member's."""
    names = node["column_names"]
    for first in range(len(names)):
        for last in range(len(names), first, -1):
            name = ".".join(names[first:last])
            if first <= 1 and is_column(catalog, name):
                columns[name] = None
                node["column_names"] = [*names[:first], name, *names[last:]]
                return


def run_query(text: str, catalog: Catalog, open_table: Opener) -> pa.Table:
    """The result of a SELECT statement. Raises FormatError, and ExportError where DuckDB is not installed."""
    duckdb = optional_module("duckdb")
    connection = duckdb.connect()
    try:
        query = parse_query(connection, text, catalog)
        for name, uses in query.tables.items():
            source = None if name == EVERY_EVENT else name
            reader = open_table(source, _wanted(query, catalog, source))
            # A stream can be read once; what a query may read again is kept.
            connection.register(name, reader.read_all() if uses > 1 or query.expressions else reader)
        return connection.sql(query.text).to_arrow_table()
    except duckdb.Error as error:
        raise FormatError(f"DuckDB: {str(error).splitlines()[0]}") from error
    finally:
        connection.close()


def _wanted(query: Query, catalog: Catalog, source: str | None) -> list[str]:
    if not query.everything:
        return query.columns or [_ANY_COLUMN]
    all_columns: tuple[str, ...] = _EVERY_EVENT_COLUMNS
    if source is not None:
        all_columns = tuple(column.name for column in default_columns(catalog, source))
    return [*all_columns, *query.columns]
