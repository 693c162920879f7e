"""What a plugin says about itself: who it is, what it can, which fields it has; checked, and free of its memory."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from scap_formats.plugin_abi import PLUGIN_ABIS
from scap_formats.types import ParamType
from scaptools.errors import PluginError
from scaptools.plugins.contract import ArgumentRule, PluginField, PluginInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scaptools.plugins.shared.versions import Version

#: The argument rule for (is key, is index, is required).
_ARGUMENTS: Final = {
    (False, False, False): ArgumentRule.NONE,
    (False, True, False): ArgumentRule.OPTIONAL_INDEX,
    (False, True, True): ArgumentRule.REQUIRED_INDEX,
    (True, False, False): ArgumentRule.OPTIONAL_KEY,
    (True, False, True): ArgumentRule.REQUIRED_KEY,
    (True, True, False): ArgumentRule.OPTIONAL_EITHER,
    (True, True, True): ArgumentRule.REQUIRED_EITHER,
}
_RESERVED_SOURCE: Final = "syscall"


@dataclass(frozen=True, slots=True)
class OpenParameter:
    """A suggestion what to open a source with."""

    value: str
    description: str = ""
    separator: str = ""


@dataclass(frozen=True, slots=True)
class Declaration:
    """A plugin's own words.

    ``capabilities`` are those of the reference: sourcing, extraction, parsing, async, capture listening. A source list
    that is empty accepts all. ``schema`` is the JSON schema of the init configuration, None where there is none.
    """

    api: Version
    info: PluginInfo
    capabilities: frozenset[str]
    fields: tuple[PluginField, ...] = ()
    extract_sources: tuple[str, ...] = ()
    parse_sources: tuple[str, ...] = ()
    async_sources: tuple[str, ...] = ()
    async_events: tuple[str, ...] = ()
    schema: dict[str, Any] | None = field(default=None, hash=False)

    def to_json(self) -> dict[str, Any]:
        """The declaration as JSON values."""
        return {
            "api": list(self.api),
            "info": {name: getattr(self.info, name) for name in PluginInfo.__slots__},
            "capabilities": sorted(self.capabilities),
            "fields": [
                [part.name, int(part.type), part.description, part.argument.name, part.is_list, sorted(part.properties)]
                for part in self.fields
            ],
            "sources": [list(self.extract_sources), list(self.parse_sources), list(self.async_sources)],
            "async_events": list(self.async_events),
            "schema": self.schema,
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Declaration:
        """The declaration from `to_json`'s values."""
        extract, parse, asynchronous = map(tuple, value["sources"])
        major, minor, patch = value["api"]
        return Declaration(
            api=(major, minor, patch),
            info=PluginInfo(**value["info"]),
            capabilities=frozenset(value["capabilities"]),
            fields=tuple(
                PluginField(name, ParamType(type_), about, ArgumentRule[rule], is_list, frozenset(properties))
                for name, type_, about, rule, is_list, properties in value["fields"]
            ),
            extract_sources=extract,
            parse_sources=parse,
            async_sources=asynchronous,
            async_events=tuple(value["async_events"]),
            schema=value["schema"],
        )


def read_fields(text: str, major: int, *, plugin: str) -> tuple[PluginField, ...]:
    """The declared fields from their JSON. Raises PluginError saying which entry is wrong, and how."""
    entries = _json(text, "its fields", plugin)
    if not isinstance(entries, list):
        raise PluginError("declares its fields with JSON that is no list", plugin=plugin)
    fields: list[PluginField] = []
    for index, entry in enumerate(entries):
        declared = _Entry(entry, index, plugin).field(major)
        if any(declared.name == other.name for other in fields):
            raise PluginError(f"declares field {declared.name} twice", plugin=plugin)
        fields.append(declared)
    return tuple(fields)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of the fields' JSON."""

    value: Any
    index: int
    plugin: str

    def field(self, major: int) -> PluginField:
        if not isinstance(self.value, dict):
            raise self._wrong("is no object")
        name, type_ = self._text("name"), self._text("type")
        known = PLUGIN_ABIS[major].field_types
        if type_ not in known:
            raise self._wrong(f"has the type {type_!r}, not one of {', '.join(known)}")
        return PluginField(
            name,
            known[type_],
            self._text("desc"),
            self._argument(major),
            self._flag(self.value, "isList"),
            self._properties(),
        )

    def _argument(self, major: int) -> ArgumentRule:
        if major == 0:
            # Upstream records argRequired without enforcing it, so an argument is never more than allowed.
            return ArgumentRule.OPTIONAL_KEY if self._flag(self.value, "argRequired") else ArgumentRule.NONE
        argument = self.value.get("arg")
        if argument is None:
            return ArgumentRule.NONE
        if not isinstance(argument, dict):
            raise self._wrong("has an arg that is no object")
        key, index, required = (self._flag(argument, name) for name in ("isKey", "isIndex", "isRequired"))
        rule = _ARGUMENTS.get((key, index, required))
        if rule is None:
            raise self._wrong("requires an argument that is neither key nor index")
        return rule

    def _properties(self) -> frozenset[str]:
        # The Go SDK writes null for none.
        properties = self.value.get("properties") or []
        if not (isinstance(properties, list) and all(isinstance(name, str) for name in properties)):
            raise self._wrong("has properties that are no list of strings")
        return frozenset(properties)

    def _text(self, key: str) -> str:
        text = self.value.get(key)
        if not isinstance(text, str) or not text:
            raise self._wrong(f"has no {key}" if text in {None, ""} else f"has a {key} that is no string")
        return text

    def _flag(self, holder: dict[str, Any], key: str) -> bool:
        flag = holder.get(key, False)
        if not isinstance(flag, bool):
            raise self._wrong(f"has an {key} that is neither true nor false")
        return flag

    def _wrong(self, what: str) -> PluginError:
        return PluginError(f"entry {self.index} of its fields {what}", plugin=self.plugin)


def read_names(text: str, what: str, *, plugin: str) -> tuple[str, ...]:
    """A JSON list of strings. Raises PluginError."""
    names = _json(text, what, plugin)
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise PluginError(f"declares {what} with JSON that is no list of strings", plugin=plugin)
    return tuple(names)


def read_open_parameters(text: str, *, plugin: str) -> tuple[OpenParameter, ...]:
    """The suggested open parameters from their JSON. Raises PluginError."""
    entries = _json(text, "its open parameters", plugin)
    if not (isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)):
        raise PluginError("lists open parameters with JSON that is no list of objects", plugin=plugin)
    if not all(isinstance(entry.get("value"), str) and entry["value"] for entry in entries):
        raise PluginError("lists open parameters without a value", plugin=plugin)
    return tuple(
        OpenParameter(entry["value"], str(entry.get("desc", "")), str(entry.get("separator", ""))) for entry in entries
    )


def read_schema(text: str, *, plugin: str) -> dict[str, Any]:
    """The JSON schema of an init configuration. Raises PluginError."""
    schema = _json(text, "its init configuration", plugin)
    if not isinstance(schema, dict):
        raise PluginError("declares its init configuration with JSON that is no object", plugin=plugin)
    return schema


def check_identity(info: PluginInfo, *, major: int, sourcing: bool, plugin: str) -> None:
    """Whether name, id and source go together. Raises PluginError."""
    if not info.name:
        raise PluginError("has no name", plugin=plugin)
    if info.source == _RESERVED_SOURCE:
        raise PluginError(f"produces events of the source {_RESERVED_SOURCE}, which is reserved", plugin=plugin)
    if not sourcing:
        return
    if bool(info.id) != bool(info.source):
        missing = "id" if info.source else "event source"
        raise PluginError(f"produces events, but has no {missing}", plugin=plugin)
    if not info.id and major < PLUGIN_WITHOUT_ID_SINCE:
        raise PluginError("produces events, but has no id", plugin=plugin)


#: Since this generation a source without id and name produces events of the system itself.
PLUGIN_WITHOUT_ID_SINCE: Final = 3


def _json(text: str, what: str, plugin: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PluginError(f"declares {what} with text that is no JSON: {error}", plugin=plugin) from error
