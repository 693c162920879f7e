"""The Kubernetes audit plugin: reads audit logs of the API server and extracts fields from their events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from scaptools.columns import Texts
from scaptools.errors import PluginError
from scaptools.plugins.contract import ExtractorPlugin, Payloads, PluginField, PluginInfo, SourcePlugin
from scaptools.plugins.jsontext import Documents
from scaptools.plugins.jsontext.texts import column_of
from scaptools.plugins.k8saudit.audits import Audits
from scaptools.plugins.k8saudit.fields import ENTRIES
from scaptools.plugins.k8saudit.logs import AuditLogs

if TYPE_CHECKING:
    from scaptools.columns import Column

_NAME: Final = "k8saudit"
_ENTRIES: Final = {entry.name: entry for entry in ENTRIES}
#: Digits of the largest index an argument may be; no list is longer.
_INDEX_DIGITS: Final = 18


@dataclass(frozen=True, slots=True)
class _Key:
    """A key of the init configuration."""

    name: str
    default: str | int | bool
    about: str

    @property
    def kind(self) -> str:
        """The JSON type."""
        return {str: "string", int: "integer", bool: "boolean"}[type(self.default)]


_MAX_EVENT: Final = _Key("maxEventSize", 262144, "Most bytes of one event")
_MAX_LINE: Final = _Key("webhookMaxBatchSize", 12582912, "Most bytes of one line of a log")
_KEYS: Final = (
    _MAX_EVENT,
    _MAX_LINE,
    _Key("sslCertificate", "/etc/falco/falco.pem", "Accepted for compatibility, without effect"),
    _Key("useAsync", True, "Accepted for compatibility, without effect"),
)


class KubernetesAuditPlugin(SourcePlugin, ExtractorPlugin):
    """Log files and fields of Kubernetes audit events, the latter as the plugin of that name has them in 0.18.0."""

    info: ClassVar[PluginInfo] = PluginInfo(
        name=_NAME,
        version="0.18.0",
        description="Reads Kubernetes audit logs and extracts fields from their events",
        contact="github.com/falcosecurity/plugins/",
        id=1,
        source="k8s_audit",
    )
    config_schema: ClassVar[dict[str, Any] | None] = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "type": "object",
        "properties": {key.name: {"type": key.kind, "default": key.default, "description": key.about} for key in _KEYS},
        "additionalProperties": True,
    }
    fields: ClassVar[tuple[PluginField, ...]] = tuple(entry.declared() for entry in ENTRIES)
    extract_sources: ClassVar[tuple[str, ...]] = ("k8s_audit",)

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        """Raises PluginError for a configuration value of the wrong type."""
        super().__init__(config)
        for key in _KEYS:
            value = self.config.get(key.name)
            if value is not None and type(value) is not type(key.default):
                raise PluginError(f"init config: {key.name} must be of type {key.kind}", plugin=_NAME)

    def _setting(self, key: _Key) -> int:
        value = self.config.get(key.name)
        return int(key.default if value is None else value)

    def open(self, params: str) -> AuditLogs:
        """Start reading a log file, or the log files of a directory. Raises PluginError."""
        return AuditLogs(params, max_event=self._setting(_MAX_EVENT), max_line=self._setting(_MAX_LINE), plugin=_NAME)

    def event_texts(self, payloads: Payloads) -> Texts:
        """The payloads themselves."""
        return Texts(payloads.data)

    def prepare(self, payloads: Payloads) -> Audits:
        """The events; they are parsed when the first field is asked for, once for all fields."""
        return Audits(Documents.of(payloads.data))

    def extract(self, prepared: Audits, name: str, argument: str | None) -> Column:
        """The column of one field. Raises PluginError for a field that is not declared or a wrong argument."""
        entry = _ENTRIES.get(name)
        if entry is None:
            raise PluginError(f"there is no field {name}", plugin=_NAME)
        if entry.key_rule is not None:
            if argument is None:
                raise PluginError(f"{name} needs an argument", plugin=_NAME)
            found = entry.key_rule(prepared, argument.encode("utf-8", "surrogateescape"))
        elif entry.rule is not None and argument is None:
            found = entry.rule(prepared, None)
        elif entry.rule is not None and entry.indexed and argument is not None and _is_index(argument):
            found = entry.rule(prepared, int(argument))
        else:
            raise PluginError(f"{name} does not take the argument {argument!r}", plugin=_NAME)
        return column_of(found)


def _is_index(argument: str) -> bool:
    return argument.isascii() and argument.isdecimal() and len(argument) <= _INDEX_DIGITS
