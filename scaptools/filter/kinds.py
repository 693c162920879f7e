"""Kinds of values: which of upstream's parameter types are compared alike, and how wide their numbers are."""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.types import ParamType

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(Enum):
    """A group of types with the same operators."""

    NUMBER = "number"
    BOOL = "boolean"
    TEXT = "text"
    BUFFER = "buffer"
    ADDRESS = "address"
    NETWORK = "network"
    OPAQUE = "opaque"


#: What error messages call comparisons of a kind, in upstream's words.
FILTERS: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.NUMBER: "numeric filters",
        Kind.BOOL: "numeric filters",
        Kind.TEXT: "string filters",
        Kind.BUFFER: "buffer filters",
        Kind.ADDRESS: "ip address and network filters",
        Kind.NETWORK: "ip address and network filters",
    }
)
_MEMBERS = {
    Kind.NUMBER: (
        "INT8 INT16 INT32 INT64 UINT8 UINT16 UINT32 UINT64 FD PID ERRNO PORT FLAGS8 FLAGS16 FLAGS32 ENUMFLAGS8 "
        "ENUMFLAGS16 ENUMFLAGS32 MODE RELTIME ABSTIME DOUBLE"
    ),
    Kind.BOOL: "BOOL",
    Kind.TEXT: "CHARBUF FSPATH FSRELPATH",
    Kind.BUFFER: "BYTEBUF",
    Kind.ADDRESS: "IPADDR IPV4ADDR IPV6ADDR",
    Kind.NETWORK: "IPNET IPV4NET IPV6NET",
}
#: Every type's kind; types not named above can only be asked whether they exist.
KINDS: Mapping[ParamType, Kind] = MappingProxyType(
    dict.fromkeys(ParamType, Kind.OPAQUE)
    | {ParamType[name]: kind for kind, names in _MEMBERS.items() for name in names.split()}
)


def number_dtype(type_: ParamType) -> np.dtype[Any]:
    """The numpy type in which numbers and booleans of this type are compared."""
    if type_ is ParamType.DOUBLE:
        return np.dtype(np.float64)
    return np.dtype(f"{'i' if type_.signed else 'u'}{type_.size}")
