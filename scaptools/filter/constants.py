"""Constants: the text of a filter as a value of the type of the field it is compared with."""

from __future__ import annotations

import re
import socket
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from scap_formats.types import ParamType
from scaptools.filter.addresses import Network
from scaptools.filter.kinds import KINDS, Kind
from scaptools.filter.quoting import to_bytes, to_text
from scaptools.filter.services import service_port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Constant: TypeAlias = int | float | bytes | Network

#: Bytes of a text constant, as upstream limits them.
MAX_TEXT = 255

_BLANK = r"[ \t\n\v\f\r]*"
_INTEGER = re.compile(rf"{_BLANK}([+-]?[0-9]+|0[xX][0-9a-fA-F]+)", re.ASCII)
_DECIMAL = re.compile(rf"{_BLANK}[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_PORT = re.compile(r"[0-9]*|0[xX][0-9a-fA-F]+", re.ASCII)
_HEX_BYTES = re.compile(rb"(?:[0-9a-fA-F]{2})*")
_BOOLEANS = {"true": 1, "false": 0}
_FAMILIES = {4: (socket.AF_INET, "IPv4"), 6: (socket.AF_INET6, "IPv6")}


class ConstantError(ValueError):
    """A constant that is no value of the type."""


def convert(value: bytes, type_: ParamType, *, hexadecimal: bool = False) -> Constant:
    """A constant for a field of this type; ``hexadecimal`` for operators whose constants are bytes in hexadecimal.

    Integers wrap to the type's width. Raises ConstantError.
    """
    if b"\0" in value:
        raise ConstantError(r"filter value cannot contain a NUL byte (\x00)")
    return _CONVERSIONS[KINDS[type_]](value, type_, hexadecimal)


def _number(value: bytes, type_: ParamType, _hexadecimal: bool) -> int | float:
    text = to_text(value)
    if type_ is ParamType.PORT:
        return _port(text)
    if type_ is ParamType.DOUBLE:
        if not _DECIMAL.fullmatch(text):
            raise ConstantError(f"{text} is not a valid number")
        return float(text)
    match = _INTEGER.fullmatch(text)
    if match is None or len(text) > MAX_TEXT:
        raise ConstantError(f"{text} is not a valid number")
    number = int(match[1], 16 if match[1][1:2] in {"x", "X"} else 10)
    if not -(2**63) <= number < 2**64:
        raise ConstantError(f"{text} is not a valid number: it needs more than 64 bits")
    return _wrapped(number, type_)


def _wrapped(number: int, type_: ParamType) -> int:
    """``number`` cut to the width of the type, as two's complement where the type is signed."""
    bits = 8 * (type_.size or 8)
    number %= 1 << bits
    return number - (1 << bits) if type_.signed and number >> (bits - 1) else number


def _port(text: str) -> int:
    if _PORT.fullmatch(text):
        number = int(text[:12] or "0", 16 if text[1:2] in {"x", "X"} else 10)
        if len(text) > 10 or number >= 2**31:
            raise ConstantError(f"{text} is not a valid port")
        return _wrapped(number, ParamType.PORT)
    port = service_port(text)
    if port is None:
        raise ConstantError(f"unrecognized protocol {text}")
    return port


def _boolean(value: bytes, _type: ParamType, _hexadecimal: bool) -> int:
    text = to_text(value)
    if text not in _BOOLEANS:
        raise ConstantError(f"unrecognized boolean value {text}")
    return _BOOLEANS[text]


def _text(value: bytes, _type: ParamType, hexadecimal: bool) -> bytes:
    if len(value) > MAX_TEXT:
        raise ConstantError(f"a text constant has at most {MAX_TEXT} bytes, this one {len(value)}")
    if not hexadecimal:
        return value
    if not _HEX_BYTES.fullmatch(value):
        raise ConstantError("bcontains and bstartswith operator support hex strings only")
    return bytes.fromhex(value.decode("ascii"))


def _address(value: bytes, _type: ParamType, _hexadecimal: bool) -> bytes:
    text = to_text(value)
    family, name = _FAMILIES[4 if "." in text else 6]
    try:
        return socket.inet_pton(family, text)
    except (OSError, ValueError) as error:
        raise ConstantError(f"unrecognized {name} address {text}") from error


def _network(value: bytes, type_: ParamType, _hexadecimal: bool) -> Network:
    text = to_text(value)
    address, slash, length = text.partition("/")
    if not slash or not _DIGITS.fullmatch(length):
        raise ConstantError(f"unrecognized IP network {text}")
    raw = _address(to_bytes(address), type_, False)
    shortest, version = (0, "") if len(raw) == 4 else (1, "v6 ")
    if len(length) > 3 or not shortest <= int(length) <= 8 * len(raw):
        raise ConstantError(f"invalid {version}netmask {length}")
    return Network(raw, int(length))


def _opaque(_value: bytes, type_: ParamType, _hexadecimal: bool) -> Constant:
    raise ConstantError(f"values of type {type_.name} cannot be written in a filter")


_CONVERSIONS: Mapping[Kind, Callable[[bytes, ParamType, bool], Constant]] = MappingProxyType(
    {
        Kind.NUMBER: _number,
        Kind.BOOL: _boolean,
        Kind.TEXT: _text,
        Kind.BUFFER: _text,
        Kind.ADDRESS: _address,
        Kind.NETWORK: _network,
        Kind.OPAQUE: _opaque,
    }
)
