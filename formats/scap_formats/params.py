"""The value of one event parameter, from and to its bytes.

No bytes are no value: they decode to None, and None encodes to no bytes, for every type. Whether a parameter is
there at all is the caller's business. Strings stay bytes, without the NUL at their end; addresses are raw network
bytes in every byte order.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from construct import Adapter, Bytes, Container, FormatFieldError, PrefixedArray, Subconstruct, Switch, this

from scap_formats.codec import build, integers, parse
from scap_formats.elements import Rest, remaining
from scap_formats.record import Leaf, Record
from scap_formats.types import STRING_TYPES, ParamType

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterable, Mapping

    from scap_formats.codec import Buffer, ByteOrder, Schema
    from scap_formats.table import DynamicChoice

FAMILY_UNIX = 1
FAMILY_INET = 2
FAMILY_INET6 = 10
#: What older drivers stored where there was no string.
NULL_STRINGS = frozenset({b"(NULL)", b"<NA>"})
#: RELTIME that stands for none.
RELTIME_NONE = 2**64 - 1
#: Descriptor that stands for the current directory.
AT_FDCWD = -100
_SIGNALS = range(1, 33)


class _String(Leaf):
    """A string with its NUL, which old captures may lack; None for the ways of older drivers to say NULL."""

    def _parse(self, stream: io.BytesIO, _context: Container, _path: str) -> bytes | None:
        text = stream.read().removesuffix(b"\0")
        return None if text in NULL_STRINGS else text

    def _build(self, obj: bytes | None, stream: io.BytesIO, _context: Container, _path: str) -> bytes | None:
        stream.write(b"" if obj is None else obj + b"\0")
        return obj


class _Strings(Leaf):
    """Strings, each with its NUL."""

    def _parse(self, stream: io.BytesIO, _context: Container, _path: str) -> list[bytes]:
        return stream.read().removesuffix(b"\0").split(b"\0")

    def _build(self, obj: Iterable[bytes], stream: io.BytesIO, _context: Container, _path: str) -> Iterable[bytes]:
        stream.write(b"".join(text + b"\0" for text in obj))
        return obj


class _Maybe(Subconstruct):  # type: ignore[misc]  # Construct carries no types
    """None where no bytes are left."""

    def __init__(self, subcon: Schema) -> None:
        super().__init__(subcon)
        self.flagbuildnone = True

    def _parse(self, stream: io.BytesIO, context: Container, path: str) -> Any:
        return super()._parse(stream, context, path) if remaining(stream) else None

    def _build(self, obj: Any, stream: io.BytesIO, context: Container, path: str) -> Any:
        return obj if obj is None else super()._build(obj, stream, context, path)


class _SignalSet(Adapter):  # type: ignore[misc]
    """Signal numbers as bits, signal 1 first."""

    def _decode(self, obj: int, _context: Container, _path: str) -> tuple[int, ...]:
        return tuple(signal for signal in _SIGNALS if obj >> (signal - 1) & 1)

    def _encode(self, obj: Iterable[int], _context: Container, path: str) -> int:
        mask = 0
        for signal in obj:
            if signal not in _SIGNALS:
                raise FormatFieldError(f"signal {signal} is not one of 1 to {_SIGNALS[-1]}", path=path)
            mask |= 1 << (signal - 1)
        return mask


def _address(byteorder: ByteOrder) -> Schema:
    number = integers(byteorder)
    families = {
        FAMILY_UNIX: Record("path" / _String()),
        FAMILY_INET: Record("ip" / Bytes(4), "port" / number.u16),
        FAMILY_INET6: Record("ip" / Bytes(16), "port" / number.u16),
    }
    return Record("family" / number.u8, Switch(this.family, families, default=Record("data" / Rest())))


def _tuple(byteorder: ByteOrder) -> Schema:
    number = integers(byteorder)

    def inet(size: int) -> Schema:
        return Record("sip" / Bytes(size), "sport" / number.u16, "dip" / Bytes(size), "dport" / number.u16)

    families = {
        FAMILY_UNIX: Record("source" / number.u64, "destination" / number.u64, "path" / _String()),
        FAMILY_INET: inet(4),
        FAMILY_INET6: inet(16),
    }
    return Record("family" / number.u8, Switch(this.family, families, default=Record("data" / Rest())))


#: Layouts of the types that are no plain number; types in neither table are raw bytes.
_LAYOUTS: Mapping[ParamType, Callable[[ByteOrder], Schema]] = {
    **{type_: lambda _order: _String() for type_ in STRING_TYPES},
    ParamType.CHARBUFARRAY: lambda _order: _Strings(),
    ParamType.SIGSET: lambda order: _SignalSet(integers(order).u32),
    ParamType.DOUBLE: lambda order: integers(order).f64,
    ParamType.IPV4ADDR: lambda _order: Bytes(4),
    ParamType.IPV6ADDR: lambda _order: Bytes(16),
    ParamType.SOCKADDR: _address,
    ParamType.SOCKTUPLE: _tuple,
    ParamType.FDLIST: lambda order: PrefixedArray(
        integers(order).u16, Record("fd" / integers(order).i64, "flags" / integers(order).i16)
    ),
}


def _number(type_: ParamType, size: int, byteorder: ByteOrder) -> Schema:
    return getattr(integers(byteorder), f"{'i' if type_.signed else 'u'}{8 * size}")


@cache
def param_schema(type_: ParamType, byteorder: ByteOrder, choices: tuple[DynamicChoice, ...] = ()) -> Schema:
    """Return the schema of a type's values; see `decode_param`."""
    if type_ is ParamType.DYN:
        values = {index: param_schema(choice.type, byteorder) for index, choice in enumerate(choices)}
        value = Switch(this.index, values, default=Rest())
        return _Maybe(Record("index" / integers(byteorder).u8, "value" / value))
    if type_ in _LAYOUTS:
        return _Maybe(_LAYOUTS[type_](byteorder))
    size = type_.size
    return _Maybe(Rest() if size is None else _number(type_, size, byteorder))


def decode_param(
    type_: ParamType, data: Buffer, byteorder: ByteOrder = "little", choices: tuple[DynamicChoice, ...] = ()
) -> Any:
    """Decode one parameter; ``choices`` is the dynamic table of a `ParamType.DYN`.

    Returns None for no bytes and for a string that says NULL, else by type: an int (times in ns, flags and users
    as they are), a float (DOUBLE), bytes (strings, BYTEBUF, addresses, and types no layout is known of), a tuple of
    signal numbers (SIGSET), a list of bytes (CHARBUFARRAY), a list of containers of ``fd`` and ``flags`` (FDLIST),
    or a container: ``family`` with ``ip port``, ``path`` or ``data`` (SOCKADDR), ``family`` with ``sip sport dip
    dport``, ``source destination path`` or ``data`` (SOCKTUPLE), ``index value`` (DYN). Raises FormatsError where
    the bytes are too few or too many.
    """
    return parse(param_schema(type_, byteorder, choices), data, complete=True)


def encode_param(
    type_: ParamType, value: Any, byteorder: ByteOrder = "little", choices: tuple[DynamicChoice, ...] = ()
) -> bytes:
    """Encode what `decode_param` returns. Raises FormatsError."""
    return build(param_schema(type_, byteorder, choices), value)
