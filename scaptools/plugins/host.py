"""The plugin host: which plugins are in use, found by id, event source or name.

Plugins register under the entry-point group ``scaptools.plugins``; they are imported when somebody asks for a plugin or
a plugin's field, not before.
"""

from __future__ import annotations

import inspect
import weakref
from functools import cache
from typing import TYPE_CHECKING, Any

from scaptools.errors import PluginError
from scaptools.plugins.contract import ExtractorPlugin, Plugin, SourcePlugin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from importlib.metadata import EntryPoint

ENTRY_POINTS = "scaptools.plugins"


class PluginHost:
    """A set of plugins. Two of them may not have the same name, nor the same non-zero id."""

    def __init__(self, plugins: Sequence[Plugin] = ()) -> None:
        self.plugins: list[Plugin] = []
        for plugin in plugins:
            self.add(plugin)

    def add(self, plugin: Plugin) -> None:
        """Take a plugin in. Raises PluginError where its name or id is taken."""
        for other in self.plugins:
            if other.info.name == plugin.info.name:
                raise PluginError(
                    f"has the name of another: {_origin(other)} and {_origin(plugin)}", plugin=plugin.info.name
                )
            if plugin.info.id and other.info.id == plugin.info.id:
                raise PluginError(f"has the id {plugin.info.id} of plugin {other.info.name}", plugin=plugin.info.name)
        if isinstance(plugin, ExtractorPlugin):
            plugin.source_name = _weakly(self)
        self.plugins.append(plugin)

    def extractors(self) -> Iterator[ExtractorPlugin]:
        """Plugins that extract fields."""
        return (plugin for plugin in self.plugins if isinstance(plugin, ExtractorPlugin))

    def source(self, plugin_id: int) -> SourcePlugin | None:
        """The source plugin whose events carry an id, None where it is not in use."""
        for plugin in self.plugins:
            if plugin_id and isinstance(plugin, SourcePlugin) and plugin.info.id == plugin_id:
                return plugin
        return None

    def source_name(self, plugin_id: int) -> str:
        """The event source of a plugin id: the plugin's own, else the registered one, else a made-up name."""
        plugin = self.source(plugin_id)
        if plugin is not None:
            return plugin.info.source
        from scap_formats.table import plugin_registry

        registered = plugin_registry().get(plugin_id)
        return registered.source if registered is not None and registered.source else f"plugin_{plugin_id}"

    def plugin_name(self, plugin_id: int) -> str | None:
        """The name of the source plugin with an id, None where it is not in use."""
        plugin = self.source(plugin_id)
        return None if plugin is None else plugin.info.name

    def reads(self, extractor: ExtractorPlugin, plugin_id: int) -> bool:
        """Whether an extractor reads the events of a source plugin.

        It reads the sources it names; naming none, its own source's events; having none, every plugin's.
        """
        if extractor.extract_sources:
            return self.source_name(plugin_id) in extractor.extract_sources
        return not extractor.info.id or extractor.info.id == plugin_id


def _weakly(host: PluginHost) -> Callable[[int], str]:
    """A host's `source_name` for plugins of it, which do not keep it: what refers to itself is freed late."""
    reference = weakref.ref(host)

    def source_name(plugin_id: int) -> str:
        known = reference()
        return "" if known is None else known.source_name(plugin_id)

    return source_name


def _origin(plugin: Plugin) -> str:
    """Where a plugin comes from: the library's path, or its class."""
    return str(getattr(plugin, "path", f"{type(plugin).__module__}.{type(plugin).__qualname__}"))


@cache
def installed_plugins() -> dict[str, EntryPoint]:
    """The entry points of installed plugins by name."""
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}


def load_plugin(name: str, config: dict[str, Any] | None = None) -> Plugin:
    """An instance of an installed plugin. Raises PluginError where it is not installed or cannot be loaded."""
    entry = installed_plugins().get(name)
    if entry is None:
        known = ", ".join(sorted(installed_plugins())) or "none"
        raise PluginError("is not installed", plugin=name, hint=f"installed plugins: {known}")
    try:
        factory = entry.load()
    except Exception as error:
        raise PluginError(f"cannot be imported: {error}", plugin=name) from error
    if not (inspect.isclass(factory) and issubclass(factory, Plugin)):
        raise PluginError(f"entry point {entry.value} is no plugin class", plugin=name)
    return factory(config)


def default_host() -> PluginHost:
    """A host with every installed plugin, unconfigured."""
    return PluginHost([load_plugin(name) for name in sorted(installed_plugins())])
