r"""JSON: one compact object a line, in one of two styles.

`sysdig_json` prints what ``sysdig -j`` does: keys sorted, numbers in hexadecimal, octal or padded form as strings,
times as integer ns since the epoch, no 80-character limit on buffers, an empty list as null. Bytes that are not UTF-8
become U+FFFD.

`scap_json` is this program's own: keys in the order given, null for a missing value, numbers always as numbers, an
empty list as ``[]``. A point in time has two keys, ``NAME`` in RFC 3339 (UTC, nine digits) and ``NAME_ns`` in integer
ns since the epoch. Text and buffers are strings of their bytes; a byte that is not UTF-8 reads ``\xNN``, four
characters that text may also hold of its own.

Integers are exact in 64 bits whatever the style; a double that is not finite is null.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scap_formats.types import ParamType, PrintFormat
from scaptools.columns import Coded, Lists, Numbers, Texts
from scaptools.fields.paramtext.clock import Clock
from scaptools.fields.paramtext.context import as_texts
from scaptools.fields.paramtext.style import DEFAULT_STYLE, TextStyle
from scaptools.output.binary import joined
from scaptools.output.escape import JSON_LEGIBLE, JSON_REPLACING
from scaptools.output.lines import complete_rows, field_text
from scaptools.output.renderer import ColumnRenderer, Gathered
from scaptools.output.text import INTEGER_TYPES, joined_lists, per_value, render, with_validity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Column, Rows
    from scaptools.fields.paramtext.context import TextColumn
    from scaptools.output.assemble import Piece
    from scaptools.output.renderer import Source
    from scaptools.output.template import DisplayField, Template

    #: A column without lists, or the values of one with.
    Scalars = Numbers | Texts | Coded
    #: From values to their JSON text, without the quotes of strings.
    Rendering = Callable[[Scalars], TextColumn]

_NULL = b"null"
_QUOTE = b'"'
_RFC3339 = Clock("dTt.nZ", utc=True)
_EPOCH = Clock("sn", utc=True)
#: From here on times in ns since the epoch have 19 digits.
_SHORTEST_TIME = 10**18
#: Fields that show when an event happened, as text for people.
_EVENT_TIMES = frozenset(
    {"evt.time", "evt.time.s", "evt.time.iso8601", "evt.datetime", "evt.datetime.s", "evt.outputtime"}
)
#: Fields of a time type that hold part of a time, or a duration.
_NO_INSTANTS = frozenset(
    {
        "evt.rawtime.s",
        "evt.rawtime.ns",
        "proc.exe_ino.ctime_duration_clone_ts",
        "proc.exe_ino.ctime_duration_pidns_start",
        "proc.exe_ino.ctime_duration_proc_start",
    }
)
#: Fields sysdig prints as integers whatever their print format.
_PLAIN_NUMBERS = ("evt.rawtime", "evt.reltime", "evt.latency", "evt.deltatime")
_STRING_FORMATS = frozenset({PrintFormat.HEX, PrintFormat.OCT, PrintFormat.PADDED_DEC})


@dataclass(frozen=True, slots=True)
class Member:
    """One key of the objects, and how values become JSON; strings where ``quoted``."""

    key: str
    rendering: Rendering
    quoted: bool = False
    empty_list: bytes = b"[]"

    @property
    def name(self) -> bytes:
        """The key as JSON, quotes included."""
        return json.dumps(self.key, ensure_ascii=False).encode("utf-8", "replace")

    def text(self, column: Column) -> tuple[TextColumn, bool]:
        """The JSON text of each value, and whether quotes are still to be put around it."""
        if isinstance(column, Lists):
            return Texts(self._list(column)), False
        return self.rendering(column), self.quoted

    def _list(self, column: Lists) -> pa.Array:
        elements = self.rendering(column.values).to_arrow()
        if self.quoted:
            elements = joined(_QUOTE, elements, _QUOTE)
        if elements.null_count:
            elements = pc.fill_null(elements, pa.scalar(_NULL, elements.type))
        text = joined_lists(column, elements, b"[", b",", b"]")
        empty = column.validity() & (np.diff(column.offsets) == 0)
        return pc.if_else(pa.array(empty), pa.scalar(self.empty_list, text.type), text)


@dataclass(frozen=True, slots=True)
class MemberGroup:
    """The keys that come from one column."""

    source: Source
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class JsonRenderer(ColumnRenderer):
    """Prints events as JSON objects; without ``keeps_missing`` an event with a missing value is left out."""

    groups: tuple[MemberGroup, ...]
    keeps_missing: bool = True
    sorts_keys: bool = False

    def sources(self) -> list[Source]:
        """One column for each group of keys."""
        return [group.source for group in self.groups]

    def row_bytes(self) -> int:
        """Keys and punctuation."""
        members = [member for group in self.groups for member in group.members]
        return len("null\n") + sum(len(member.name) + len(",:") for member in members)

    @property
    def missing(self) -> bytes:
        """What a missing value reads."""
        return _NULL

    def pieces(self, gathered: Gathered) -> tuple[list[Piece], int]:
        """Keys as literals, values as JSON."""
        members: list[Member] = []
        texts: list[TextColumn] = []
        quoted: list[bool] = []
        for group, column in zip(self.groups, gathered.columns, strict=True):
            for member in group.members:
                text, is_string = member.text(column)
                members.append(member)
                texts.append(text)
                quoted.append(is_string)
        count = gathered.count
        if not self.keeps_missing:
            texts, count = complete_rows(texts, count)
        # A key written twice is one key.
        places = {member.key: place for place, member in enumerate(members)}
        pieces: list[Piece] = []
        for key in sorted(places, key=_utf8) if self.sorts_keys else places:
            place = places[key]
            pieces.append((b"," if pieces else b"{") + members[place].name + b":")
            pieces += _in_quotes(texts[place]) if quoted[place] else [texts[place]]
        return [*pieces, b"}\n" if pieces else _NULL + b"\n"], count


def sysdig_json(template: Template, style: TextStyle = DEFAULT_STYLE) -> JsonRenderer:
    """The fields of a template as ``sysdig -j`` prints them."""
    style = replace(style, limit=None)
    groups = [_sysdig_group(token.field, token.text, style) for token in template.fields]
    return JsonRenderer(tuple(groups), keeps_missing=template.keeps_missing, sorts_keys=True)


def scap_json(fields: Sequence[DisplayField]) -> JsonRenderer:
    """The given fields in this program's own style."""
    return JsonRenderer(tuple(map(_scap_group, fields)))


def _sysdig_group(field: DisplayField, key: str, style: TextStyle) -> MemberGroup:
    if field.name in _EVENT_TIMES:
        return MemberGroup(_timestamps, (Member(key, _nanoseconds),))
    is_string = field.type not in _UNQUOTED or (
        field.format in _STRING_FORMATS and not field.name.startswith(_PLAIN_NUMBERS)
    )

    def strings(column: Scalars) -> TextColumn:
        return JSON_REPLACING.apply(field_text(column, field, style))

    rendering = strings if is_string else _UNQUOTED[field.type]
    return MemberGroup(field.column, (Member(key, rendering, is_string, empty_list=_NULL),))


def _scap_group(field: DisplayField) -> MemberGroup:
    is_event_time = field.name in _EVENT_TIMES
    if is_event_time or (field.type is ParamType.ABSTIME and field.name not in _NO_INSTANTS):
        instant = Member(field.name, _instants, quoted=True), Member(f"{field.name}_ns", _nanoseconds)
        return MemberGroup(_timestamps if is_event_time else field.column, instant)
    if field.type in _UNQUOTED:
        return MemberGroup(field.column, (Member(field.name, _UNQUOTED[field.type]),))

    def strings(column: Scalars) -> TextColumn:
        # A buffer is its bytes here, not what a terminal can show of them.
        texts = as_texts(column) if field.type is ParamType.BYTEBUF else render(column, field.type, field.format)
        return JSON_LEGIBLE.apply(texts)

    return MemberGroup(field.column, (Member(field.name, strings, quoted=True),))


def _utf8(key: str) -> bytes:
    return key.encode("utf-8", "surrogateescape")


def _in_quotes(text: TextColumn) -> list[Piece]:
    """A column of strings between quotes, except where a value is missing."""
    if isinstance(text, Coded):
        return [Coded(text.codes, Texts(joined(_QUOTE, text.values.to_arrow(), _QUOTE)))]
    if text.array.null_count:
        return [Texts(joined(_QUOTE, text.array, _QUOTE))]
    return [_QUOTE, text, _QUOTE]


def _timestamps(batch: EventBatch, rows: Rows) -> Numbers:
    return Numbers(batch.header("ts", rows))


def _instants(column: Scalars) -> TextColumn:
    def texts(numbers: Numbers) -> TextColumn:
        return Texts(with_validity(_RFC3339.texts(numbers.values.astype(np.uint64, copy=False)), numbers.valid))

    return per_value(column, texts)


def _nanoseconds(column: Scalars) -> TextColumn:
    """Times in ns since the epoch, in the same words as a clock as long as they have as many digits."""

    def texts(numbers: Numbers) -> TextColumn:
        values = numbers.values
        if numbers.valid is None and len(values) and _SHORTEST_TIME <= int(values.min()) <= int(values.max()) < 2**63:
            return Texts(_EPOCH.texts(values.astype(np.uint64, copy=False)))
        return _integers(numbers)

    return per_value(column, texts)


def _integers(column: Scalars) -> TextColumn:
    return render(column, ParamType.INT64, PrintFormat.DEC)


def _truths(column: Scalars) -> TextColumn:
    return render(column, ParamType.BOOL, PrintFormat.NA)


def _doubles(column: Scalars) -> TextColumn:
    def texts(numbers: Numbers) -> TextColumn:
        finite = numbers.validity() & np.isfinite(numbers.values)
        return Texts(Numbers(numbers.values, finite).to_arrow().cast(pa.string()).cast(pa.binary()))

    return per_value(column, texts)


#: Types whose values are no strings.
_UNQUOTED: Mapping[ParamType, Rendering] = MappingProxyType(
    dict.fromkeys(INTEGER_TYPES, _integers) | {ParamType.BOOL: _truths, ParamType.DOUBLE: _doubles}
)
