"""Printing events: which fields, in what form, to where; shared by every command that prints some."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import click

from scaptools.errors import FormatError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scaptools.fields.catalog import Catalog
    from scaptools.fields.model import BoundField
    from scaptools.fields.needs import FieldInUse
    from scaptools.fields.paramtext.style import TextStyle
    from scaptools.output.template import Template
    from scaptools.output.writer import Renderer

#: Fields of ``--json`` where none are named.
DEFAULT_JSON_FIELDS = ("evt.num", "evt.time", "evt.cpu", "evt.source", "thread.tid", "evt.dir", "evt.type", "evt.args")
#: What ``-p`` takes to print the format itself.
_SHOW_FORMAT = "p"
_TIMES = "hardD"


def print_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """What events look like: the parameters of `PrintOptions`."""
    for option in (
        click.option("-v", "--verbose", "whole", is_flag=True, help="Do not cut buffers at 80 characters."),
        click.option("-X", "--hex-ascii", "buffers", flag_value="-X", help="Buffers in hex and ASCII."),
        click.option("-x", "--hex", "buffers", flag_value="-x", help="Buffers in hex."),
        click.option("-b", "--base64", "buffers", flag_value="-b", help="Buffers in base64."),
        click.option("-A", "--ascii", "buffers", flag_value="-A", help="Only the text in buffers, with its lines."),
        click.option(
            "-t",
            "--time",
            "times",
            type=click.Choice(list(_TIMES)),
            default="h",
            help="Times on lines: h of day (default), a since the epoch, r since the first event, d since the enter "
            "event, D since the line before.",
        ),
        click.option("-j", "--sysdig-json", "sysdig_json", is_flag=True, help="JSON as sysdig -j has it."),
        click.option(
            "--json", "as_json", is_flag=True, help="One JSON object an event; with -p that of sysdig's fields."
        ),
        click.option("--fields", metavar="A,B,...", help="These fields, as a table; see 'scap fields'."),
        click.option(
            "-p",
            "--print",
            "forms",
            multiple=True,
            metavar="FORMAT",
            help="A line such as '%evt.num %evt.type %evt.args'; c, k, m for containers, Kubernetes, Mesos; p shows "
            "the format.",
        ),
    ):
        function = option(function)
    return function


@dataclass(frozen=True, slots=True)
class PrintOptions:
    """The options of `print_options`."""

    forms: tuple[str, ...]
    fields: str | None
    as_json: bool
    sysdig_json: bool
    times: str
    buffers: str | None
    whole: bool

    def style(self) -> TextStyle:
        """How parameters and times are shown."""
        from scaptools.fields.paramtext.style import BufferMode, TextStyle, TimeStyle

        whole = self.whole or self.sysdig_json or (self.as_json and bool(self.forms))
        return TextStyle(
            buffers=BufferMode(self.buffers or ""),
            limit=None if whole else TextStyle().limit,
            times=TimeStyle(self.times),
        )

    @property
    def form(self) -> str | None:
        """The format asked for, None where it is the default one."""
        chosen = [form for form in self.forms if form != _SHOW_FORMAT]
        return chosen[-1] if chosen else None

    @property
    def is_plain(self) -> bool:
        """Whether the default lines are wanted, so that no option can be wrong."""
        return not (self.forms or self.fields or self.as_json or self.sysdig_json)

    @property
    def is_json(self) -> bool:
        """Whether JSON is wanted, and nothing is said about what is in it."""
        return self.as_json and not (self.forms or self.fields or self.sysdig_json)

    @property
    def shows_format(self) -> bool:
        """Whether nothing is wanted but the format."""
        return _SHOW_FORMAT in self.forms


@dataclass(frozen=True, slots=True)
class Printing:
    """How events are printed: the renderer, and the fields it reads."""

    renderer: Renderer
    fields: Sequence[FieldInUse]


def show_format(options: PrintOptions) -> None:
    """Print the format lines would have."""
    from scaptools.output.template import PRESETS

    preset = _preset(options.form)
    click.echo(options.form if preset is None else PRESETS[preset])


def choose_printing(catalog: Catalog, options: PrintOptions) -> Printing:
    """The printing the options ask for. Raises FormatError, UnknownFieldError and click.UsageError."""
    if options.form is not None and options.fields is not None:
        raise click.UsageError("-p and --fields exclude each other.")
    if options.sysdig_json or (options.as_json and options.form is not None):
        printing = _sysdig_json(catalog, options)
    elif options.as_json:
        printing = _json(catalog, options.fields)
    elif options.fields is not None:
        printing = _table(catalog, options.fields)
    else:
        printing = _lines(catalog, options.form)
    if options.times == "d":
        # The field itself cannot tell that it reads state in this style.
        return Printing(printing.renderer, [*printing.fields, catalog.resolve("evt.latency")])
    return printing


def _preset(form: str | None) -> str | None:
    """The preset a format is the name of, None where it is a format."""
    from scaptools.output.template import PRESET_WORDS, PRESETS

    name = PRESET_WORDS.get(form or "", form or "")
    return name if name in PRESETS else None


def _json(catalog: Catalog, fields: str | None) -> Printing:
    from scaptools.output.ndjson import scap_json

    chosen = _named(catalog, fields) if fields is not None else [catalog.parse(name) for name in DEFAULT_JSON_FIELDS]
    return Printing(scap_json(chosen), chosen)


def _sysdig_json(catalog: Catalog, options: PrintOptions) -> Printing:
    from scaptools.output.ndjson import sysdig_json
    from scaptools.output.sources import SourceLines
    from scaptools.output.template import PLUGIN_FORMAT, PRESETS, Template, unescape

    if options.fields is not None:
        template = Template.of(tuple(_named(catalog, options.fields)))
        return Printing(sysdig_json(template, catalog.style), _fields_of(template))
    preset = _preset(options.form)
    if preset is None:
        template = Template.parse(unescape(options.form or ""), catalog)
        return Printing(sysdig_json(template, catalog.style), _fields_of(template))
    others, plugins = Template.parse(PRESETS[preset], catalog), Template.parse(PLUGIN_FORMAT, catalog)
    renderer = SourceLines(sysdig_json(others, catalog.style), sysdig_json(plugins, catalog.style))
    return Printing(renderer, _fields_of(others, plugins))


def _table(catalog: Catalog, fields: str) -> Printing:
    from scaptools.output.table import AlignedTable, TabSeparated

    chosen = _named(catalog, fields)
    if sys.stdout.isatty():
        import shutil

        return Printing(AlignedTable(chosen, catalog.style, shutil.get_terminal_size().columns), chosen)
    return Printing(TabSeparated(chosen, catalog.style), chosen)


def _lines(catalog: Catalog, form: str | None) -> Printing:
    from scaptools.output.lines import LineRenderer
    from scaptools.output.sources import SourceLines
    from scaptools.output.template import COLOR_FORMAT, PLUGIN_FORMAT, PRESETS, Template, unescape

    preset = _preset(form)
    if preset is None:
        template = Template.parse(unescape(form or ""), catalog)
        return Printing(LineRenderer(template, catalog.style), _fields_of(template))
    others = Template.parse(COLOR_FORMAT if not preset and in_color() else PRESETS[preset], catalog)
    plugins = Template.parse(PLUGIN_FORMAT, catalog)
    renderer = SourceLines(LineRenderer(others, catalog.style), LineRenderer(plugins, catalog.style))
    return Printing(renderer, _fields_of(others, plugins))


def _fields_of(*templates: Template) -> list[FieldInUse]:
    return [token.field for template in templates for token in template.fields]


def _named(catalog: Catalog, fields: str) -> list[BoundField]:
    names = [name.strip() for name in fields.split(",") if name.strip()]
    if not names:
        raise FormatError("no field is named", hint="write --fields evt.num,evt.type")
    return [catalog.parse(name) for name in names]


def in_color() -> bool:
    """Whether what is written to standard output is coloured: on terminals, unless somebody decides otherwise."""
    context = click.get_current_context(silent=True)
    decided = None if context is None else context.find_root().color
    if decided is not None:
        return decided
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def standard_output() -> BinaryIO:
    """Standard output for bytes, unbuffered; what click wrote before is on its way first."""
    sys.stdout.flush()
    return cast("BinaryIO", getattr(sys.stdout.buffer, "raw", sys.stdout.buffer))


def write_failed(error: OSError) -> OutputError:
    """A failed write to standard output, in this program's words."""
    return OutputError(f"cannot be written: {error.strerror or error}", path="<stdout>")
