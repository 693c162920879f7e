"""Records: Construct's Struct, fast enough for lists of 100,000 entries from the one declaration.

A `Record` reads and writes runs of fixed-size fields with one precomputed `struct.Struct` each, and merges the fields
of unnamed members into its own.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from construct import (
    Bytes,
    Computed,
    Construct,
    ConstructError,
    Container,
    Default,
    FormatField,
    FormatFieldError,
    Rebuild,
    Renamed,
    StreamError,
    StringError,
    Struct,
    evaluate,
)

if TYPE_CHECKING:
    import io

    from scap_formats.codec import Schema

_NOTHING = object()


def unwrapped(subcon: Schema) -> Schema:
    """Strip names and build-time values from a declaration."""
    while isinstance(subcon, (Renamed, Default, Rebuild)):
        subcon = subcon.subcon
    return subcon


def _fixed_code(subcon: Schema) -> str | None:
    """Give the `struct` code of a fixed-size field, byte order first; None for any other declaration."""
    inner = unwrapped(subcon)
    if isinstance(inner, FormatField):
        return str(inner.fmtstr)
    if isinstance(inner, Bytes) and isinstance(inner.length, int):
        return f"={inner.length}s"
    return None


def read_part(schema: Schema, stream: io.BytesIO, context: Container, path: str) -> Any:
    """Parse a part of a declaration; parts talk to each other by this method only."""
    return schema._parsereport(stream, context, path)  # noqa: SLF001


def write_part(schema: Schema, value: Any, stream: io.BytesIO, context: Container, path: str) -> None:
    """Build a part of a declaration."""
    schema._build(value, stream, context, path)  # noqa: SLF001


def checked(value: Any, path: str) -> bytes:
    """Refuse what is no byte string."""
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise StringError(f"bytes expected, {type(value).__name__} given", path=path)
    return bytes(value)


def _inner_context(values: Any, stream: io.BytesIO, outer: Container) -> Container:
    """Make the context the members of a Record see: its fields so far and Construct's own entries."""
    inner = Container(values)
    inner["_"] = outer
    inner["_io"] = stream
    for key in ("_params", "_parsing", "_building", "_sizing"):
        inner[key] = outer.get(key)
    inner["_root"] = outer.get("_root", outer)
    return inner


class Leaf(Construct):  # type: ignore[misc]  # Construct carries no types
    """A declaration that needs nothing but the stream."""


class Absent(Computed):  # type: ignore[misc]
    """A field a layout does not store: reads as its default, writes nothing."""


@dataclass(slots=True)
class _Supply:
    """The value of a field that the caller gives none for; ``replaces`` one that is given as well."""

    value: Any = _NOTHING
    replaces: bool = False

    @classmethod
    def of(cls, subcon: Schema) -> _Supply:
        while isinstance(subcon, Renamed):
            subcon = subcon.subcon
        if isinstance(subcon, Rebuild):
            return cls(subcon.func, replaces=True)
        return cls(subcon.value) if isinstance(subcon, Default) else cls()

    def choose(self, name: str, given: Any, inner: Container, path: str) -> Any:
        value = None if self.replaces else given.get(name)
        if value is not None:
            return value
        if self.value is _NOTHING:
            raise FormatFieldError("no value given", path=f"{path} -> {name}")
        try:
            inner[name] = value = evaluate(self.value, inner)
        except (AttributeError, KeyError, TypeError) as error:
            raise FormatFieldError(f"cannot be derived: {error!r}", path=f"{path} -> {name}") from error
        return value


@dataclass(slots=True)
class _Run:
    """Adjacent fixed-size fields of one byte order."""

    order: str = "="
    codes: str = ""
    names: list[str] = field(default_factory=list)
    supplies: list[_Supply] = field(default_factory=list)
    #: Sizes of raw bytes, None for numbers.
    sizes: list[int | None] = field(default_factory=list)
    packer: struct.Struct = field(default_factory=lambda: struct.Struct(""))

    def takes(self, code: str) -> bool:
        """Whether a field of that code can join: raw bytes have no byte order."""
        return "=" in {code[0], self.order} or code[0] == self.order

    def add(self, subcon: Schema, code: str) -> None:
        if code[0] != "=":
            self.order = code[0]
        inner = unwrapped(subcon)
        self.codes += code[1:]
        self.names.append(subcon.name)
        self.supplies.append(_Supply.of(subcon))
        self.sizes.append(inner.length if isinstance(inner, Bytes) else None)
        self.packer = struct.Struct(self.order + self.codes)

    def read(self, values: dict[str, Any], stream: io.BytesIO, path: str) -> None:
        data = stream.read(self.packer.size)
        if len(data) != self.packer.size:
            raise StreamError(f"{self.packer.size} bytes expected, {len(data)} left", path=f"{path} -> {self.names[0]}")
        values.update(zip(self.names, self.packer.unpack(data), strict=True))

    def write(self, given: Any, stream: io.BytesIO, inner: Container, path: str) -> None:
        values = []
        for name, supply, size in zip(self.names, self.supplies, self.sizes, strict=True):
            value = supply.choose(name, given, inner, path)
            if size is not None and len(checked(value, f"{path} -> {name}")) != size:
                raise StringError(f"{size} bytes expected, {len(value)} given", path=f"{path} -> {name}")
            values.append(value)
        try:
            stream.write(self.packer.pack(*values))
        except struct.error as error:
            names = ", ".join(self.names)
            raise FormatFieldError(f"{error} ({names}: {values})", path=f"{path} -> {self.names[0]}") from error


@dataclass(slots=True)
class _Member:
    """A field of variable size, or, without a name, a declaration whose fields are merged."""

    name: str | None
    schema: Schema
    supply: _Supply
    optional: bool

    @classmethod
    def of(cls, subcon: Schema) -> _Member:
        return cls(subcon.name, unwrapped(subcon), _Supply.of(subcon), subcon.flagbuildnone)

    def read(self, values: dict[str, Any], stream: io.BytesIO, context: Container, path: str) -> None:
        if self.name and isinstance(self.schema, Leaf):
            try:
                values[self.name] = read_part(self.schema, stream, context, path)
            except ConstructError as error:
                error.path = f"{path} -> {self.name}"  # only now: making it for every field costs time
                raise
            return
        inner = _inner_context(values, stream, context)
        if self.name:
            values[self.name] = read_part(self.schema, stream, inner, f"{path} -> {self.name}")
        else:
            values.update(read_part(self.schema, stream, inner, path) or ())

    def write(self, given: Any, stream: io.BytesIO, inner: Container, path: str) -> None:
        if not self.name:
            write_part(self.schema, given, stream, inner, path)
            return
        where = f"{path} -> {self.name}"
        if self.optional and self.supply.value is _NOTHING:
            value = given.get(self.name)
        else:
            value = self.supply.choose(self.name, given, inner, path)
        write_part(self.schema, value, stream, inner, where)


class Record(Struct):  # type: ignore[misc]
    """A Struct read and written in runs; see the module's docstring."""

    def __init__(self, *subcons: Schema) -> None:
        super().__init__(*subcons)
        #: Runs, members, and constants of fields that are not stored, in wire order.
        self._steps: list[_Run | _Member | dict[str, Any]] = []
        for subcon in self.subcons:
            self._add(subcon)

    def _add(self, subcon: Schema) -> None:
        last = self._steps[-1] if self._steps else None
        code = _fixed_code(subcon) if subcon.name else None
        if isinstance(unwrapped(subcon), Absent):
            if not isinstance(last, dict):
                self._steps.append(last := {})
            last[subcon.name] = unwrapped(subcon).func
        elif code is None:
            self._steps.append(_Member.of(subcon))
        else:
            if not (isinstance(last, _Run) and last.takes(code)):
                self._steps.append(last := _Run())
            last.add(subcon, code)

    def _parse(self, stream: io.BytesIO, context: Container, path: str) -> Container:
        values: dict[str, Any] = {}
        for step in self._steps:
            if isinstance(step, _Run):
                step.read(values, stream, path)
            elif isinstance(step, dict):
                values.update(step)
            else:
                step.read(values, stream, context, path)
        return Container(values)

    def _build(self, obj: Any, stream: io.BytesIO, context: Container, path: str) -> Any:
        given = {} if obj is None else obj
        inner = _inner_context(given, stream, context)
        for step in self._steps:
            if not isinstance(step, dict):
                step.write(given, stream, inner, path)
        return obj
