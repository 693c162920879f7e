"""The catalog: every field there is, the core's and the plugins', as filters and formats look them up."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from scap_formats.table import event_table, syscall_table
from scaptools.errors import UnknownFieldError
from scaptools.fields.container import CONTAINER_FIELDS
from scaptools.fields.evt import evt_fields
from scaptools.fields.evt_state import EVT_STATE_FIELDS, StateContext
from scaptools.fields.fd import FD_FIELDS
from scaptools.fields.fspath import FSPATH_FIELDS
from scaptools.fields.group import GROUP_FIELDS
from scaptools.fields.plugin import event_plugin_fields, extractor_fields
from scaptools.fields.proc import PROC_FIELDS
from scaptools.fields.registry import FieldRegistry
from scaptools.fields.thread import THREAD_FIELDS
from scaptools.fields.user import USER_FIELDS
from scaptools.plugins.host import PluginHost, default_host

if TYPE_CHECKING:
    from scaptools.fields.model import BoundField

#: Every field that belongs to no plugin.
CORE_FIELDS = (
    *evt_fields(context=StateContext()),
    *EVT_STATE_FIELDS,
    *PROC_FIELDS,
    *THREAD_FIELDS,
    *FD_FIELDS,
    *FSPATH_FIELDS,
    *USER_FIELDS,
    *GROUP_FIELDS,
    *CONTAINER_FIELDS,
)
#: Fields whose constants must be names of events or system calls.
_EVENT_NAME_FIELDS = frozenset({"evt.type"})


class Catalog:
    """Fields by name. Plugins are loaded only when a name is not the core's, or somebody asks for all fields."""

    def __init__(self, plugins: PluginHost | None = None) -> None:
        self._given = plugins
        self._core = FieldRegistry(CORE_FIELDS)
        for declaration in event_plugin_fields(lambda: self.plugins):
            self._core.add(declaration)

    @cached_property
    def plugins(self) -> PluginHost:
        """The plugins in use: those given, else every installed one."""
        return default_host() if self._given is None else self._given

    @cached_property
    def registry(self) -> FieldRegistry:
        """All fields. Raises PluginError where two plugins declare a field of the same name."""
        registry = FieldRegistry(self._core)
        for declaration in extractor_fields(self.plugins):
            registry.add(declaration)
        return registry

    def resolve(self, name: str, argument: str | None = None) -> BoundField:
        """Bind a field to its argument. Raises UnknownFieldError, and FormatError where the argument does not fit."""
        try:
            return self._core.resolve(name, argument)
        except UnknownFieldError:
            return self.registry.resolve(name, argument)

    def parse(self, text: str) -> BoundField:
        """A field as it is written, with its argument in brackets. Raises UnknownFieldError."""
        found = self.match(text, 0)
        if found is None or found[1] != len(text):
            raise UnknownFieldError(text, suggestions=self.registry.nearest(text))
        return found[0]

    def knows(self, name: str) -> bool:
        """Whether there is a field of this name, arguments left aside."""
        return name in self._core or name in self.registry

    def match(self, text: str, position: int) -> tuple[BoundField, int] | None:
        """The longest field at a place of a text, and where it ends; None where there is none."""
        return self._core.match(text, position) or self.registry.match(text, position)

    def known_value(self, handle: Any, text: str) -> str | None:
        """What is wrong with comparing a field with a constant, None where nothing is."""
        if handle.field.name not in _EVENT_NAME_FIELDS:
            return None
        if event_table().by_name(text) or syscall_table().find_code(text) is not None:
            return None
        return f"unknown event type {text}"
