"""The catalog: every field there is, the core's and the plugins', as filters and formats look them up.

The modules that declare fields are imported when a name of their class is looked up.
"""

from __future__ import annotations

import re
from functools import cache, cached_property, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from scap_formats.table import event_table, syscall_table
from scaptools.errors import UnknownFieldError
from scaptools.fields.paramtext.style import CURRENT, DEFAULT_STYLE, FAITHFUL
from scaptools.fields.registry import FieldRegistry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scaptools.fields.model import BoundField, Field
    from scaptools.fields.needs import FieldInUse
    from scaptools.fields.paramtext.style import Dialect, TextStyle
    from scaptools.plugins.host import PluginHost

#: Where the fields of a class are declared, by what their names begin with. Fields of ``evt`` are made in a style.
_DECLARATIONS: Mapping[str, tuple[str, str]] = {
    "proc": ("scaptools.fields.probes", "ALL_PROC_FIELDS"),
    "thread": ("scaptools.fields.thread", "THREAD_FIELDS"),
    "fd": ("scaptools.fields.fd", "FD_FIELDS"),
    "fdlist": ("scaptools.fields.fdlist", "FDLIST_FIELDS"),
    "fs": ("scaptools.fields.fspath", "FSPATH_FIELDS"),
    "user": ("scaptools.fields.user", "USER_FIELDS"),
    "group": ("scaptools.fields.group", "GROUP_FIELDS"),
    "container": ("scaptools.fields.container", "CONTAINER_FIELDS"),
    "syslog": ("scaptools.fields.syslog", "SYSLOG_FIELDS"),
    "k8s": ("scaptools.fields.orchestration", "ORCHESTRATION_FIELDS"),
}
#: Where the fields are that a dialect answers otherwise.
_REPLACEMENTS: Mapping[Dialect, tuple[str, str]] = {
    FAITHFUL: ("scaptools.fields.faults", "FAULTY_FIELDS"),
    CURRENT: ("scaptools.fields.newest", "NEWEST_FIELDS"),
}
_EVENTS = "evt"
#: Classes that are declared where another one is.
_DECLARED_WITH = {"syscall": _EVENTS, "util": _EVENTS, "mesos": "k8s", "marathon": "k8s"}
#: Fields whose constants must be names of events or system calls.
_EVENT_NAME_FIELDS = frozenset({"evt.type"})
_CLASS = re.compile(r"[A-Za-z]\w*", re.ASCII)


class Catalog:
    """Fields by name. Plugins are loaded only when a name is not the core's, or somebody asks for all fields.

    ``style`` is how the fields that are text show parameters and times.
    """

    def __init__(self, plugins: PluginHost | None = None, style: TextStyle = DEFAULT_STYLE) -> None:
        self._given = plugins
        self.style = style
        # Fields hold on to this and not to the catalog, which, and with it processes of plugins, would end late then.
        self._plugins = cache(partial(_in_use, plugins))
        self._core = FieldRegistry()
        self._loaded: set[str] = set()

    @property
    def given_plugins(self) -> PluginHost | None:
        """The plugins given, None where every installed one is in use, none of which keeps state."""
        return self._given

    @property
    def plugins(self) -> PluginHost:
        """The plugins in use: those given, else every installed one."""
        return self._plugins()

    def survives_fork(self, fields: Iterable[FieldInUse]) -> bool:
        """Whether fields and the plugins in use say the same of an event in forks, each asked about some of them."""
        return not any(used.remembers for used in fields) and all(
            plugin.survives_fork for plugin in self.plugins.plugins
        )

    @cached_property
    def registry(self) -> FieldRegistry:
        """All fields. Raises PluginError where two plugins declare a field of the same name."""
        from scaptools.fields.plugin import extractor_fields

        for class_ in (_EVENTS, *_DECLARATIONS):
            self._load(class_)
        registry = FieldRegistry(self._core)
        for declaration in extractor_fields(self.plugins):
            registry.add(declaration)
        return registry

    def _class(self, text: str, position: int = 0) -> FieldRegistry:
        """The core's fields, those of the class a text names among them."""
        found = _CLASS.match(text, position)
        if found is not None:
            self._load(found[0])
        return self._core

    def _load(self, class_: str) -> None:
        class_ = _DECLARED_WITH.get(class_, class_)
        if class_ in self._loaded:
            return
        self._loaded.add(class_)
        place = _REPLACEMENTS.get(self.style.dialect)
        others: Mapping[str, Field] = {} if place is None else getattr(import_module(place[0]), place[1])
        for declaration in self._declared(class_):
            self._core.add(others.get(declaration.name, declaration))

    def _declared(self, class_: str) -> Iterable[Field]:
        if class_ == _EVENTS:
            return self._event_fields()
        place = _DECLARATIONS.get(class_)
        if place is None:
            return ()
        declared: Iterable[Field] = getattr(import_module(place[0]), place[1])
        return declared

    def _event_fields(self) -> Iterable[Field]:
        from scaptools.fields.evt import evt_fields
        from scaptools.fields.evt_state import EVT_STATE_FIELDS
        from scaptools.fields.plugin import event_plugin_fields
        from scaptools.fields.statecontext import StateContext

        fields = evt_fields(self.style, StateContext())
        return (*fields, *EVT_STATE_FIELDS, *event_plugin_fields(self._plugins))

    def resolve(self, name: str, argument: str | None = None) -> BoundField:
        """Bind a field to its argument. Raises UnknownFieldError, and FormatError where the argument does not fit."""
        try:
            return self._class(name).resolve(name, argument)
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
        return name in self._class(name) or name in self.registry

    def match(self, text: str, position: int) -> tuple[BoundField, int] | None:
        """The longest field at a place of a text, and where it ends; None where there is none."""
        return self._class(text, position).match(text, position) or self.registry.match(text, position)

    def known_value(self, handle: Any, text: str) -> str | None:
        """What is wrong with comparing a field with a constant, None where nothing is."""
        if handle.field.name not in _EVENT_NAME_FIELDS:
            return None
        if event_table().by_name(text) or syscall_table().find_code(text) is not None:
            return None
        return f"unknown event type {text}"


def _in_use(given: PluginHost | None) -> PluginHost:
    from scaptools.plugins.host import default_host

    return default_host() if given is None else given
