"""Templates: output formats such as ``*%evt.num %10proc.name %evt.info``, parsed.

A format is literal text with fields in it. ``%`` is followed by a width in bytes, which may be left out, and by the
longest field that can be read there; there is no way to write a ``%``. A leading ``*`` keeps lines with missing
values, which are dropped otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from scaptools.errors import FormatError, ScapError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scap_formats.types import ParamType, PrintFormat
    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Column, Rows

#: A width beyond this would be a slip.
MAX_WIDTH = 65_535

_PROCESS = "%proc.name (%thread.tid)"
_CONTAINED_PROCESS = "%proc.name (%thread.tid:%thread.vtid)"
_LINE = "*%evt.num %evt.outputtime %evt.cpu {process} %evt.dir {type} %evt.info"


def _line(process: str, event_type: str = "%evt.type") -> str:
    return _LINE.format(process=process, type=event_type)


#: Formats of events without a plugin, by the letter sysdig's ``-p`` takes for them; the first is the default.
PRESETS: Mapping[str, str] = MappingProxyType(
    {
        "": _line(_PROCESS),
        "c": _line(f"%container.name (%container.id) {_CONTAINED_PROCESS}"),
        "k": _line(f"%k8s.pod.name (%container.id) {_CONTAINED_PROCESS}"),
        "m": _line(f"%mesos.task.name (%container.id) {_CONTAINED_PROCESS}"),
    }
)
#: Longer words for those letters.
PRESET_WORDS: Mapping[str, str] = MappingProxyType({"container": "c", "kubernetes": "k", "mesos": "m"})
#: The default on a terminal, in colours.
COLOR_FORMAT = _line(
    "\x1b[01;32m%proc.name\x1b[00m (\x1b[01;36m%proc.pid\x1b[00m.%thread.tid)", "\x1b[01;34m%evt.type\x1b[00m"
)
#: The default for events of plugins.
PLUGIN_FORMAT = "*%evt.num %evt.datetime.s [%evt.pluginname] %evt.plugininfo"

_ESCAPE = re.compile(r"\\([nte\\])")
_ESCAPED = {"n": "\n", "t": "\t", "e": "\x1b", "\\": "\\"}
_WIDTH = re.compile("[0-9]*")
_NAME = re.compile(r"[A-Za-z]\w*(?:\.\w+)*", re.ASCII)


class DisplayField(Protocol):
    """What output needs of a field; `scaptools.fields.model.BoundField` is one."""

    @property
    def name(self) -> str:
        """The field with its argument."""

    @property
    def type(self) -> ParamType:
        """The type of its values."""

    @property
    def format(self) -> PrintFormat:
        """How its numbers are printed."""

    @property
    def flags(self) -> frozenset[str]:
        """Upstream's flags."""

    @property
    def remembers(self) -> bool:
        """Whether values depend on which events were asked about before."""

    def column(self, batch: EventBatch, rows: Rows) -> Column:
        """The values of some events."""


class Matcher(Protocol):
    """What finds fields in a format; a catalog or a registry of fields."""

    def match(self, text: str, position: int) -> tuple[DisplayField, int] | None:
        """The longest field at a place and where it ends, None where there is none."""

    def resolve(self, name: str, argument: str | None = None) -> DisplayField:
        """A field by its name; raises UnknownFieldError with the nearest names."""


@dataclass(frozen=True, slots=True)
class FieldToken:
    """A field in a format; ``text`` is the field as written, ``width`` 0 where none is given."""

    field: DisplayField
    text: str
    width: int = 0


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed format: its literals and fields in order, and whether lines with missing values are kept."""

    tokens: tuple[bytes | FieldToken, ...]
    keeps_missing: bool

    @property
    def fields(self) -> tuple[FieldToken, ...]:
        """The fields alone."""
        return tuple(token for token in self.tokens if isinstance(token, FieldToken))

    @staticmethod
    def parse(text: str, fields: Matcher) -> Template:
        """Parse a format. Raises FormatError, with the column counted from 1."""
        if not text:
            raise FormatError("the output format is empty")
        keeps_missing = text.startswith("*")
        return Template(tuple(_tokens(text, 1 if keeps_missing else 0, fields)), keeps_missing)

    @staticmethod
    def of(fields: tuple[DisplayField, ...], *, keeps_missing: bool = True) -> Template:
        """A template of fields without literals, for formats that have their own."""
        return Template(tuple(FieldToken(field, field.name) for field in fields), keeps_missing)


def unescape(text: str) -> str:
    r"""What ``-p`` makes of a format first: ``\n``, ``\t``, ``\e`` and ``\\`` become characters, the rest stays."""
    return _ESCAPE.sub(lambda match: _ESCAPED[match[1]], text)


def _tokens(text: str, position: int, fields: Matcher) -> Iterator[bytes | FieldToken]:
    while position < len(text):
        percent = text.find("%", position)
        if percent != position:
            end = len(text) if percent < 0 else percent
            yield text[position:end].encode("utf-8", "surrogateescape")
            position = end
            continue
        token, position = _field(text, percent, fields)
        yield token


def _field(text: str, percent: int, fields: Matcher) -> tuple[FieldToken, int]:
    where = f"at column {percent + 1} of the output format"
    digits = _WIDTH.match(text, percent + 1)
    start = digits.end() if digits is not None else percent + 1
    if start == len(text):
        what = "a number" if start > percent + 1 else "a %"
        raise FormatError(f"an output format cannot end with {what}", hint="put a field's name behind it")
    width = int(text[percent + 1 : start][:9] or 0)
    if width > MAX_WIDTH:
        raise FormatError(f"the width {where} is larger than {MAX_WIDTH}")
    try:
        found = fields.match(text, start)
        name = _NAME.match(text, start) if found is None else None
        if name is not None:
            fields.resolve(name[0])
    except ScapError as error:
        raise FormatError(f"{error.message} {where}", hint=error.hint) from error
    if found is None:
        raise FormatError(f"there is no field {where}", hint="a % always starts a field")
    field, end = found
    if "FILTER_ONLY" in field.flags:
        raise FormatError(f"{field.name} {where} is for filters only and cannot be displayed")
    return FieldToken(field, text[start:end], width), end
