"""The binary interface of Falco plugins: every generation's declarations, symbols and numbers.

The declarations are C headers beside this module, in the form cffi's ``cdef`` takes; nothing else says how a structure
is laid out. A generation is all versions with one major: within it structures only grow at their end, between two of
them the same symbol changes its signature.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from scap_formats.types import ParamType

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What every exported name begins with.
SYMBOL_PREFIX = "plugin_"


class ReturnCode(IntEnum):
    """``ss_plugin_rc``."""

    SUCCESS = 0
    FAILURE = 1
    TIMEOUT = -1
    EOF = 2
    NOT_SUPPORTED = 3


class SchemaType(IntEnum):
    """``ss_plugin_schema_type``: the language an init configuration is described in."""

    NONE = 0
    JSON = 1


class PluginType(IntEnum):
    """What ``get_type`` answers in API 0.x."""

    SOURCE = 1
    EXTRACTOR = 2


class LogSeverity(IntEnum):
    """``ss_plugin_log_severity``."""

    FATAL = 1
    CRITICAL = 2
    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6
    DEBUG = 7
    TRACE = 8


class StateType(IntEnum):
    """``ss_plugin_state_type``: types of table keys and fields; the value is the member of ``ss_plugin_state_data``."""

    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    STRING = 9
    TABLE = 10
    BOOL = 25


#: The member of ``ss_plugin_state_data`` that holds a value of a type.
STATE_MEMBERS: Mapping[StateType, str] = MappingProxyType(
    {
        StateType.INT8: "s8",
        StateType.INT16: "s16",
        StateType.INT32: "s32",
        StateType.INT64: "s64",
        StateType.UINT8: "u8",
        StateType.UINT16: "u16",
        StateType.UINT32: "u32",
        StateType.UINT64: "u64",
        StateType.STRING: "str",
        StateType.TABLE: "table",
        StateType.BOOL: "b",
    }
)

#: The member of ``ss_plugin_metric_value`` for each ``value_type``.
METRIC_MEMBERS = ("u32", "s32", "u64", "s64", "d", "f", "i")

_EARLY_TYPES = MappingProxyType({"string": ParamType.CHARBUF, "uint64": ParamType.UINT64})
_CURRENT_TYPES = MappingProxyType(
    {
        **_EARLY_TYPES,
        "reltime": ParamType.RELTIME,
        "abstime": ParamType.ABSTIME,
        "bool": ParamType.BOOL,
        "ipaddr": ParamType.IPADDR,
        "ipnet": ParamType.IPNET,
    }
)


@dataclass(frozen=True, slots=True)
class CapabilityRule:
    """When a plugin has a capability: all of ``symbols``. Some of ``refused`` without all of them is an error."""

    symbols: frozenset[str]
    refused: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PluginAbi:
    """One generation of the interface.

    ``oldest`` and ``newest`` bound the versions that share these declarations; ``required`` are the symbols every
    plugin has (without prefix), ``capabilities`` what follows from further ones, ``field_types`` the words a field's
    type may be. ``packed`` headers are declared before the others, without alignment.
    """

    oldest: tuple[int, int, int]
    newest: tuple[int, int, int]
    headers: tuple[str, ...]
    required: frozenset[str]
    capabilities: Mapping[str, CapabilityRule]
    field_types: Mapping[str, ParamType]
    packed: tuple[str, ...] = ()

    @property
    def major(self) -> int:
        """The generation's number."""
        return self.newest[0]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_REQUIRED = _names(
    "get_required_api_version get_version get_name get_description get_contact init destroy get_last_error"
)
_SOURCING = _names("get_id get_event_source open close next_batch")
_EXTRACTION = _names("get_fields extract_fields")
_MIDDLE = MappingProxyType({"sourcing": CapabilityRule(_SOURCING), "extraction": CapabilityRule(_EXTRACTION)})

#: Generations by major version.
PLUGIN_ABIS: Mapping[int, PluginAbi] = MappingProxyType(
    {
        abi.major: abi
        for abi in (
            PluginAbi(
                oldest=(0, 2, 0),
                newest=(0, 3, 0),
                headers=("v0.h",),
                required=_REQUIRED | {"get_type"},
                capabilities=MappingProxyType(
                    {
                        "sourcing": CapabilityRule(_SOURCING | {"event_to_string"}),
                        "extraction": CapabilityRule(_EXTRACTION),
                    }
                ),
                field_types=_EARLY_TYPES,
            ),
            PluginAbi(
                oldest=(1, 0, 0),
                newest=(1, 0, 0),
                headers=("v1.h",),
                required=_REQUIRED,
                capabilities=_MIDDLE,
                field_types=_EARLY_TYPES,
            ),
            PluginAbi(
                oldest=(2, 0, 0),
                newest=(2, 0, 0),
                headers=("v1.h",),
                required=_REQUIRED,
                capabilities=_MIDDLE,
                field_types=_EARLY_TYPES,
            ),
            PluginAbi(
                oldest=(3, 0, 0),
                newest=(3, 12, 0),
                headers=("v3.h",),
                packed=("v3_event.h",),
                required=_REQUIRED,
                capabilities=MappingProxyType(
                    {
                        "sourcing": CapabilityRule(
                            _names("open close next_batch"), refused=_names("open close next_batch")
                        ),
                        "extraction": CapabilityRule(_EXTRACTION, refused=_names("extract_fields")),
                        "parsing": CapabilityRule(_names("parse_event")),
                        "async": CapabilityRule(
                            _names("get_async_events set_async_event_handler"),
                            refused=_names("set_async_event_handler"),
                        ),
                        "capture listening": CapabilityRule(
                            _names("capture_open capture_close"), refused=_names("capture_open")
                        ),
                    }
                ),
                field_types=_CURRENT_TYPES,
            ),
        )
    }
)


@cache
def header_text(name: str) -> str:
    """The text of one of the headers."""
    return Path(__file__).with_name(name).read_text("ascii")


def c_header(major: int) -> str:
    """The declarations of one generation as a C header, for whoever compiles a plugin."""
    abi = PLUGIN_ABIS[major]
    packed = [f"#pragma pack(push, 1)\n{header_text(name)}#pragma pack(pop)\n" for name in abi.packed]
    plain = [header_text(name) for name in abi.headers]
    return "".join(["#pragma once\n#include <stdbool.h>\n#include <stdint.h>\n", *packed, *plain])
