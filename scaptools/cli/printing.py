"""Printing events: which fields, in what form, to where; shared by every command that prints some."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import click

from scaptools.errors import FormatError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scaptools.fields.catalog import Catalog
    from scaptools.fields.model import BoundField
    from scaptools.output.template import DisplayField
    from scaptools.output.writer import Renderer

#: Fields of ``--json`` where none are named.
DEFAULT_JSON_FIELDS = ("evt.num", "evt.time", "evt.cpu", "evt.source", "thread.tid", "evt.dir", "evt.type", "evt.args")


def print_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``-p``, ``--fields``, ``--json``, ``-n`` and ``--all``."""
    for option in (
        click.option("--all", "internal", is_flag=True, help="Internal events too."),
        click.option("-n", "--limit", type=click.IntRange(1), metavar="N", help="Stop after N events."),
        click.option("--json", "as_json", is_flag=True, help="One JSON object an event."),
        click.option("--fields", metavar="A,B,...", help="These fields, as a table; see 'scap fields'."),
        click.option("-p", "--print", "form", metavar="FORMAT", help="A line such as '%evt.num %evt.type %evt.args'."),
    ):
        function = option(function)
    return function


@dataclass(frozen=True, slots=True)
class Printing:
    """How events are printed: the renderer, and the fields it reads."""

    renderer: Renderer
    fields: Sequence[DisplayField]


def choose_printing(catalog: Catalog, form: str | None, fields: str | None, *, as_json: bool) -> Printing:
    """The printing the options ask for. Raises FormatError, UnknownFieldError and click.UsageError."""
    if form is not None and fields is not None:
        raise click.UsageError("-p and --fields exclude each other.")
    if as_json:
        return _json(catalog, form, fields)
    if fields is not None:
        return _table(catalog, fields)
    return _lines(catalog, form)


def _json(catalog: Catalog, form: str | None, fields: str | None) -> Printing:
    from scaptools.output.ndjson import scap_json, sysdig_json
    from scaptools.output.template import Template, unescape

    if form is not None:
        template = Template.parse(unescape(form), catalog)
        return Printing(sysdig_json(template), [token.field for token in template.fields])
    chosen = _named(catalog, fields) if fields is not None else [catalog.parse(name) for name in DEFAULT_JSON_FIELDS]
    return Printing(scap_json(chosen), chosen)


def _table(catalog: Catalog, fields: str) -> Printing:
    from scaptools.output.table import AlignedTable, TabSeparated

    chosen = _named(catalog, fields)
    return Printing(AlignedTable(chosen) if sys.stdout.isatty() else TabSeparated(chosen), chosen)


def _lines(catalog: Catalog, form: str | None) -> Printing:
    from scaptools.output.lines import LineRenderer
    from scaptools.output.sources import SourceLines
    from scaptools.output.template import PLUGIN_FORMAT, PRESETS, Template, unescape

    if form is not None and form not in PRESETS:
        template = Template.parse(unescape(form), catalog)
        return Printing(LineRenderer(template), [token.field for token in template.fields])
    others = Template.parse(PRESETS[form or ""], catalog)
    plugins = Template.parse(PLUGIN_FORMAT, catalog)
    fields = [token.field for template in (others, plugins) for token in template.fields]
    return Printing(SourceLines(LineRenderer(others), LineRenderer(plugins)), fields)


def _named(catalog: Catalog, fields: str) -> list[BoundField]:
    names = [name.strip() for name in fields.split(",") if name.strip()]
    if not names:
        raise FormatError("no field is named", hint="write --fields evt.num,evt.type")
    return [catalog.parse(name) for name in names]


def standard_output() -> BinaryIO:
    """Standard output for bytes, unbuffered; what click wrote before is on its way first."""
    sys.stdout.flush()
    return cast("BinaryIO", getattr(sys.stdout.buffer, "raw", sys.stdout.buffer))


def write_failed(error: OSError) -> OutputError:
    """A failed write to standard output, in this program's words."""
    return OutputError(f"cannot be written: {error.strerror or error}", path="<stdout>")
