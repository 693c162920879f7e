"""Loading plugins by what people call them: the name of an installed one, or the path of a shared library."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from scaptools.errors import PluginError
from scaptools.plugins.host import PluginHost, installed_plugins, load_plugin
from scaptools.plugins.schema import violation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scaptools.plugins.contract import Plugin
    from scaptools.plugins.shared.child import Limits
    from scaptools.plugins.shared.plugin import LibraryPlugin

#: Where Falco keeps its plugins; a bare file name in a configuration is looked for there as well.
LIBRARY_FOLDERS: Final = (Path("/usr/share/falco/plugins"), Path("/usr/share/sysdig/plugins"))
_SUFFIXES: Final = frozenset({".so", ".dylib"})


@dataclass(frozen=True, slots=True)
class Loader:
    """How shared libraries are run: in processes of their own, within ``limits``, or in this one.

    Loaded ``together`` they share one process, as plugins have to that share state tables; each then waits for the
    others, so sources are better loaded apart.
    """

    in_process: bool = False
    limits: Limits | None = None
    together: bool = False
    _loaded: list[LibraryPlugin] = field(default_factory=list, repr=False, compare=False)

    def load(self, reference: str, config: dict[str, Any] | str | None = None) -> Plugin:
        """A plugin by name or path with its init configuration. Raises PluginError."""
        if not is_library(reference):
            return load_installed(reference, config)
        from scaptools.plugins.shared.plugin import load_library

        plugin = load_library(
            found(reference),
            config,
            in_process=self.in_process,
            limits=self.limits,
            beside=self._loaded[0] if self._loaded else None,
        )
        if self.together:
            self._loaded.append(plugin)
        return plugin

    def host(self, references: Sequence[tuple[str, str]]) -> PluginHost:
        """A host with the named plugins, then every installed one whose name and id are free.

        Raises PluginError where two of the named ones have the same name or id.
        """
        host = PluginHost([self.load(reference, config) for reference, config in references])
        add_installed(host)
        return host


def add_installed(host: PluginHost) -> None:
    """Add every installed plugin none of whose name, id and fields is taken."""
    taken = {field.name for plugin in host.extractors() for field in plugin.fields}
    for name in sorted(installed_plugins()):
        plugin = load_plugin(name)
        declared = {field.name for field in getattr(plugin, "fields", ())}
        known = [other for other in host.plugins if other.info.name == plugin.info.name]
        same_id = plugin.info.id and host.source(plugin.info.id) is not None
        if not known and not same_id and not declared & taken:
            host.add(plugin)


def is_library(reference: str) -> bool:
    """Whether a reference is the path of a shared library rather than a plugin's name."""
    return "/" in reference or Path(reference).suffix in _SUFFIXES


def found(reference: str) -> str:
    """The library's path; a bare file name that is not here is looked for where Falco keeps plugins."""
    path = Path(reference)
    if not path.exists() and not path.is_absolute():
        for folder in LIBRARY_FOLDERS:
            if (folder / path).exists():
                return str(folder / path)
    return str(path)


def load_installed(name: str, config: dict[str, Any] | str | None) -> Plugin:
    """An installed plugin with its configuration checked. Raises PluginError."""
    value: Any = config
    if isinstance(config, str):
        try:
            value = json.loads(config) if config.strip() else {}
        except ValueError as error:
            raise PluginError(f"init configuration: not JSON: {error}", plugin=name) from error
    if not isinstance(value, dict | None):
        raise PluginError("init configuration: not a JSON object", plugin=name)
    plugin = load_plugin(name, value)
    if plugin.config_schema is not None:
        wrong = violation(plugin.config_schema, value or {})
        if wrong is not None:
            raise PluginError(f"init configuration: {wrong}", plugin=name)
    return plugin
