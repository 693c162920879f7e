"""Upgrade plans: what becomes of an event of a given type and number of parameters in the newest schema.

The event table says how one step converts an event; a step's result may need another one. Steps are followed here with
symbols in place of values, once per kind of event, so that converting a batch is one pass whatever the schema's age.
Where libscap gives up on a capture the nearest step is taken, missing values being empty and surplus ones ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from functools import cache

from scap_formats.table import EventType, Param, ParamSource, event_table
from scap_formats.types import ConversionAction, Direction, EventFlag, ParamType, SourceKind

#: Steps after which a chain counts as closed; the longest one has a handful.
_STEP_LIMIT = 16
_ID_NONE = b"\xff\xff\xff\xff"
#: Exit events whose descriptor libs fill with 0 where no enter event is known: an fd that is not theirs.
_NEVER_DEFAULT = frozenset({5})


class Origin(Enum):
    """Where the bytes of a converted event's parameter come from."""

    OWN = "own"
    ENTER = "enter"
    FILL = "fill"
    CONTAINER_JSON = "container json"


@dataclass(frozen=True, slots=True)
class Value:
    """One parameter of a converted event.

    ``index`` is the parameter of the event itself or of the enter event of type ``enter_type``; ``fill`` stands in
    where that is not known. ``skip`` bytes are left out in front and no more than ``limit`` are taken.
    """

    origin: Origin
    index: int = -1
    fill: bytes = b""
    enter_type: int = -1
    skip: int = 0
    limit: int | None = None


class Fate(Enum):
    """What happens to an event as a whole."""

    #: It stays, byte for byte where it has the newest form already.
    KEEP = "keep"
    #: It is kept for its exit event and does not appear itself.
    STORE = "store"
    #: It is kept for its exit event and appears as well.
    STORE_AND_KEEP = "store and keep"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Plan:
    """The fate of events of one type and count; ``values`` are all parameters of the outcome."""

    fate: Fate
    type: int
    values: tuple[Value, ...]
    changed: bool

    @property
    def stores(self) -> bool:
        """Whether the event is kept for its exit event."""
        return self.fate in {Fate.STORE, Fate.STORE_AND_KEEP}

    @property
    def appears(self) -> bool:
        """Whether the event is among the converted ones."""
        return self.fate in {Fate.KEEP, Fate.STORE_AND_KEEP}

    @property
    def needs_enter(self) -> bool:
        """Whether a parameter comes from the enter event."""
        return any(value.origin is Origin.ENTER for value in self.values)


_FATES = {
    ConversionAction.STORE: Fate.STORE,
    ConversionAction.STORE_PASS: Fate.STORE_AND_KEEP,
    ConversionAction.PASS: Fate.KEEP,
}


@cache
def upgrade_plan(event_type: int, count: int) -> Plan:
    """The plan for events of type ``event_type`` that store ``count`` parameters."""
    events = event_table().events
    event = events[event_type]
    values = tuple(Value(Origin.OWN, index) for index in range(count))
    changed = False
    for _ in range(_STEP_LIMIT):
        verdict = _verdict(event, len(values))
        if verdict is not None:
            return Plan(verdict, event.id, values, changed)
        rule_count = _nearest(event, len(values))
        rule = None if rule_count is None else event.conversions[rule_count]
        if rule is None or rule_count is None:
            values, changed = _padded(values, event.nparams), True
            continue
        values = _padded(values, rule_count)
        fate = _FATES.get(rule.action)
        if fate is not None:
            return Plan(fate, event.id, values, changed or len(values) != count)
        changed = True
        if rule.action is ConversionAction.ADD:
            # A rule for fewer parameters than there are appends only what comes after them.
            sources = rule.params[len(values) - rule_count :]
            values += _made(sources, event.params[len(values) :], event, event, values)
            if not sources:
                values = _padded(values, event.nparams)
        else:
            target = events[event.id if rule.to is None else rule.to]
            values = _made(rule.params, target.params, event, target, values)
            event = target
    return Plan(Fate.KEEP, event.id, values, changed)


def _verdict(event: EventType, count: int) -> Fate | None:
    """What is decided without a rule, None where the rules of the event's type apply."""
    if EventFlag.UNUSED in event.flags:
        return Fate.DROP
    old = EventFlag.OLD_VERSION in event.flags
    if EventFlag.CONVERTER_MANAGED not in event.flags:
        return Fate.DROP if old else Fate.KEEP
    if event.direction is Direction.ENTER:
        return None
    return None if old or count < event.nparams else Fate.KEEP


def _nearest(event: EventType, count: int) -> int | None:
    """The number of parameters whose rule fits best: the same, else the next lower, else the next higher one."""
    known = sorted(event.conversions)
    if not known:
        return None
    lower = [other for other in known if other <= count]
    return lower[-1] if lower else known[0]


def _padded(values: tuple[Value, ...], count: int) -> tuple[Value, ...]:
    return values + tuple(Value(Origin.FILL) for _ in range(count - len(values)))


def _made(
    sources: tuple[ParamSource, ...],
    params: tuple[Param, ...],
    event: EventType,
    target: EventType,
    values: tuple[Value, ...],
) -> tuple[Value, ...]:
    made = []
    for source, param in zip(sources, params, strict=False):
        fill = default_bytes(param.type)
        if source.kind is SourceKind.OLD:
            value = values[source.index] if source.index < len(values) else Value(Origin.FILL)
            made.append(_fitted(value, _type_of(event, source.index), param.type))
        elif source.kind in {SourceKind.ENTER_OR_DEFAULT, SourceKind.ENTER_OR_EMPTY}:
            enter = event_table().events[event.id - 1]
            empty = source.kind is SourceKind.ENTER_OR_EMPTY or target.id in _NEVER_DEFAULT
            value = Value(Origin.ENTER, source.index, b"" if empty else fill, enter.id)
            made.append(_fitted(value, _type_of(enter, source.index), param.type))
        elif source.kind is SourceKind.DEFAULT:
            made.append(Value(Origin.FILL, fill=fill))
        elif source.kind is SourceKind.CONTAINER_JSON:
            made.append(Value(Origin.CONTAINER_JSON))
        else:
            made.append(Value(Origin.FILL))
    return tuple(made)


def _type_of(event: EventType, index: int) -> ParamType | None:
    return event.params[index].type if index < len(event.params) else None


def _fitted(value: Value, source: ParamType | None, target: ParamType) -> Value:
    """The value cut to a fixed size; the index byte of a dynamic value does not belong to a plain one."""
    skip = value.skip + (source is ParamType.DYN and target is not ParamType.DYN)
    limit = value.limit if target.size is None else target.size
    return replace(value, skip=skip, limit=limit)


def default_bytes(type_: ParamType) -> bytes:
    """The default of a parameter type: zeros, no user and no group, or nothing for variable sizes."""
    if type_ in {ParamType.UID, ParamType.GID}:
        return _ID_NONE
    return bytes(type_.size or 0)
