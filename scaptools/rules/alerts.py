"""Alerts: what rules have to say about events, as Falco's text lines and JSON objects, whole columns at a time."""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from scaptools.columns import Coded, Column, Numbers, Texts
from scaptools.fields.paramtext.clock import NANOSECONDS, Clock
from scaptools.fields.paramtext.style import CURRENT, BufferMode, TextStyle
from scaptools.output.assemble import assemble
from scaptools.output.escape import JSON_REPLACING
from scaptools.output.lines import LineRenderer
from scaptools.output.ndjson import JsonRenderer, Member, MemberGroup, sysdig_json
from scaptools.output.renderer import Gathered
from scaptools.output.template import FieldToken, Template

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Rows
    from scaptools.fields.paramtext.context import TextColumn
    from scaptools.output.assemble import Piece
    from scaptools.rules.compiler import CompiledRule
    from scaptools.rules.engine import Matches, RuleEngine
    from scaptools.rules.priority import Priority

#: Alerts rendered at a time.
_PORTION_ALERTS = 1 << 16
_LOCAL = Clock("t.n", utc=True)
_ISO8601 = Clock("dTt.n+0000", utc=True)
_JSON_TIME = Clock("dTt.nZ", utc=True)


@dataclass(frozen=True, slots=True)
class AlertFormat:
    """How alerts look; the names are those of Falco's configuration."""

    json_output: bool = False
    json_include_output_property: bool = True
    json_include_message_property: bool = False
    json_include_output_fields_property: bool = True
    json_include_tags_property: bool = True
    time_format_iso_8601: bool = False
    buffer_format_base64: bool = False


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert as values; ``fields`` are those of its output, ``number`` is that of the event."""

    rule: str
    priority: Priority
    source: str
    tags: tuple[str, ...]
    time_ns: int
    number: int
    message: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AlertLines:
    """The alerts of a batch in order: one text each without newline, shape ``(n,)``, and which rule each is of."""

    lines: pa.Array
    rules: NDArray[np.intp]
    priorities: NDArray[np.int8]
    times: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.lines)

    def first(self, count: int) -> AlertLines:
        """The first few alerts."""
        return AlertLines(self.lines[:count], self.rules[:count], self.priorities[:count], self.times[:count])


@dataclass(frozen=True, slots=True)
class _Shape:
    """How one rule's alerts are put together."""

    rule: CompiledRule
    line: LineRenderer
    fields: JsonRenderer


@dataclass
class AlertWriter:
    """Turns matches into alerts in one format."""

    engine: RuleEngine
    format: AlertFormat = field(default_factory=AlertFormat)
    hostname: str = field(default_factory=lambda: os.environ.get("FALCO_HOSTNAME") or socket.gethostname())

    def __post_init__(self) -> None:
        buffers = BufferMode.BASE64 if self.format.buffer_format_base64 else BufferMode.DOTS
        style = TextStyle(dialect=CURRENT, buffers=buffers)
        prefix = "evt.time.iso8601" if self.format.time_format_iso_8601 else "evt.time"
        self._shapes = [_shape(rule, self.engine, style, prefix) for rule in self.engine.rules]

    def portions(self, batch: EventBatch, matches: Matches) -> Iterator[AlertLines]:
        """The alerts of a batch, in the order of the matches, so many at a time that memory stays bounded."""
        for portion in matches.portions(_PORTION_ALERTS):
            yield self.lines(batch, portion)

    def lines(self, batch: EventBatch, matches: Matches) -> AlertLines:
        """The alerts of a batch at once, in the order of the matches."""
        parts: list[pa.Array] = []
        places: list[NDArray[np.intp]] = []
        for index, shape in enumerate(self._shapes):
            own = matches.of_rule(index)
            if len(own):
                rows = matches.rows[own]
                parts.append(
                    self._json(shape, batch, rows) if self.format.json_output else self._text(shape, batch, rows)
                )
                places.append(own)
        if not parts:
            empty = pa.array([], pa.large_binary())
            return AlertLines(empty, matches.rules, np.zeros(0, np.int8), np.zeros(0, np.uint64))
        order = np.empty(len(matches), np.intp)
        order[np.concatenate(places)] = np.arange(len(matches))
        lines = pa.concat_arrays([part.cast(pa.large_binary()) for part in parts]).take(pa.array(order))
        priorities = np.array([rule.priority for rule in self.engine.rules], np.int8)[matches.rules]
        return AlertLines(lines, matches.rules, priorities, batch.header("ts", matches.rows).astype(np.uint64))

    def alerts(self, batch: EventBatch, matches: Matches) -> list[Alert]:
        """The alerts of a batch as values, in the order of the matches; for looking at, not for speed."""
        found: list[tuple[int, Alert]] = []
        for index, shape in enumerate(self._shapes):
            own = matches.of_rule(index)
            rows = matches.rows[own]
            if not len(own):
                continue
            columns = zip(
                own.tolist(),
                batch.header("ts", rows).tolist(),
                batch.numbers(rows).tolist(),
                _message(shape, batch, rows).to_pylist(),
                _fields(shape, batch, rows).to_pylist(),
                strict=True,
            )
            rule = shape.rule
            found += [
                (
                    place,
                    Alert(
                        rule.name,
                        rule.priority,
                        rule.source,
                        rule.tags,
                        ts,
                        number,
                        message.decode("utf-8", "backslashreplace"),
                        json.loads(fields),
                    ),
                )
                for place, ts, number, message, fields in columns
            ]
        return [alert for _, alert in sorted(found, key=lambda entry: entry[0])]

    def _text(self, shape: _Shape, batch: EventBatch, rows: NDArray[np.intp]) -> pa.Array:
        pieces, count, missing = _pieces(shape.line, batch, rows)
        prefix = f": {shape.rule.priority.label} ".encode()
        return assemble([Texts(self._times(batch, rows)), prefix, *pieces], count, missing=missing)

    def _times(self, batch: EventBatch, rows: NDArray[np.intp]) -> pa.Array:
        times = batch.header("ts", rows).astype(np.uint64)
        if self.format.time_format_iso_8601:
            return _ISO8601.texts(times)
        # Falco shifts every event by the offset the local zone has now.
        return _LOCAL.texts(times + np.uint64(time.localtime().tm_gmtoff * NANOSECONDS % 2**64))

    def _json(self, shape: _Shape, batch: EventBatch, rows: NDArray[np.intp]) -> pa.Array:
        rule, choice = shape.rule, self.format
        pieces: list[Piece] = [b'{"hostname":' + _json_text(self.hostname)]
        if choice.json_include_message_property:
            pieces += [b',"message":"', Texts(JSON_REPLACING.array(_message(shape, batch, rows))), b'"']
        if choice.json_include_output_property:
            pieces += [b',"output":"', Texts(JSON_REPLACING.array(self._text(shape, batch, rows))), b'"']
        if choice.json_include_output_fields_property:
            pieces += [b',"output_fields":', Texts(_fields(shape, batch, rows))]
        pieces.append(b',"priority":' + _json_text(rule.priority.label))
        pieces.append(b',"rule":' + _json_text(rule.name))
        pieces.append(b',"source":' + _json_text(rule.source))
        if choice.json_include_tags_property:
            pieces.append(b',"tags":[' + b",".join(map(_json_text, rule.tags)) + b"]")
        times = _JSON_TIME.texts(batch.header("ts", rows).astype(np.uint64))
        return assemble([*pieces, b',"time":"', Texts(times), b'"}'], len(rows))


def _shape(rule: CompiledRule, engine: RuleEngine, style: TextStyle, prefix: str) -> _Shape:
    shown = rule.output.shown()
    shown[prefix] = engine.sources.fields(rule.source).resolve(prefix)
    groups: list[MemberGroup] = []
    for name, wanted in rule.output.extra:
        if isinstance(wanted, Template):
            renderer = LineRenderer(wanted, style)
            groups.append(MemberGroup(_Formatted(renderer), (Member(name, _escaped, quoted=True),)))
        else:
            shown[name] = wanted
    template = Template(tuple(FieldToken(shown_, name) for name, shown_ in shown.items()), keeps_missing=True)
    fields = sysdig_json(template, style)
    return _Shape(
        rule,
        LineRenderer(rule.output.template, style),
        JsonRenderer((*fields.groups, *groups), keeps_missing=True, sorts_keys=True),
    )


@dataclass(frozen=True, slots=True)
class _Formatted:
    """A format as a column of text."""

    renderer: LineRenderer

    def __call__(self, batch: EventBatch, rows: Rows) -> Column:
        pieces, count, missing = _pieces(self.renderer, batch, np.arange(len(batch))[rows])
        return Texts(assemble(pieces, count, missing=missing))


def _escaped(column: Numbers | Texts | Coded) -> TextColumn:
    return JSON_REPLACING.apply(Texts(column.to_arrow()))


def _pieces(
    renderer: LineRenderer | JsonRenderer, batch: EventBatch, rows: NDArray[np.intp]
) -> tuple[list[Piece], int, bytes]:
    """What a renderer's lines are made of, without the newline at their end."""
    columns = tuple(source(batch, rows) for source in renderer.sources())
    pieces, count = renderer.pieces(Gathered(columns, len(rows)))
    *pieces, last = pieces
    if isinstance(last, Texts | Coded):
        raise TypeError("a line that does not end with a literal")
    return [*pieces, last.removesuffix(b"\n")], count, renderer.missing


def _message(shape: _Shape, batch: EventBatch, rows: NDArray[np.intp]) -> pa.Array:
    pieces, count, missing = _pieces(shape.line, batch, rows)
    return assemble(pieces, count, missing=missing)


def _fields(shape: _Shape, batch: EventBatch, rows: NDArray[np.intp]) -> pa.Array:
    pieces, count, missing = _pieces(shape.fields, batch, rows)
    return assemble(pieces, count, missing=missing)


def _json_text(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")


def summary(events: int, rules: Sequence[CompiledRule], counts: dict[str, int]) -> str:
    """What Falco prints at the end of a run: alerts by severity and by rule, those without any left out."""
    by_severity: dict[Priority, int] = {}
    for rule in rules:
        if counts.get(rule.name):
            by_severity[rule.priority] = by_severity.get(rule.priority, 0) + counts[rule.name]
    lines = [f"Events detected: {events}", "Rule counts by severity:"]
    lines += [f"   {priority.short}: {count}" for priority, count in sorted(by_severity.items())]
    lines.append("Triggered rules by rule name:")
    lines += [
        f"   {rule.name}: {counts[rule.name]}"
        for rule in sorted(rules, key=lambda rule: rule.order)
        if counts.get(rule.name)
    ]
    return "\n".join([*lines, ""])
