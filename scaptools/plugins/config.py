"""The plugins part of ``falco.yaml``: which plugins there are, which are loaded, with what."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from scaptools.errors import InputError, PluginError
from scaptools.plugins.contract import SourcePlugin
from scaptools.plugins.host import installed_plugins
from scaptools.plugins.loading import found, load_installed

if TYPE_CHECKING:
    from scaptools.plugins.contract import Plugin
    from scaptools.plugins.loading import Loader


@dataclass(frozen=True, slots=True)
class ConfiguredPlugin:
    """One entry of ``plugins``; ``library`` is a path as it is written, ``init_config`` the text the plugin gets."""

    name: str
    library: str
    init_config: str = ""
    open_params: str = ""

    def load(self, loader: Loader, folder: Path) -> Plugin:
        """The plugin. A library that is nowhere to be found gives way to the installed plugin of that name.

        Raises PluginError, also where the plugin has another name than the entry.
        """
        beside = folder / self.library
        path = str(beside) if beside.exists() else found(self.library)
        if not Path(path).exists() and self.name in installed_plugins():
            return load_installed(self.name, self.init_config)
        plugin = loader.load(path if "/" in path else f"./{path}", self.init_config)
        if plugin.info.name != self.name:
            raise PluginError(f"calls itself {plugin.info.name}, not {self.name} as configured", plugin=path)
        return plugin


@dataclass(frozen=True, slots=True)
class PluginConfig:
    """The plugins of a configuration that are to be loaded, in its order; ``folder`` is where the file lies."""

    path: str
    folder: Path
    plugins: tuple[ConfiguredPlugin, ...]

    @staticmethod
    def read(path: str) -> PluginConfig:
        """Read a file. Raises InputError where it cannot be read or is not such a configuration."""
        try:
            content = yaml.safe_load(Path(path).read_text("utf-8"))
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror or error}", path=path) from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(f"is not YAML: {error}".replace("\n", " "), path=path) from error
        if not isinstance(content, dict):
            raise InputError("is not a configuration: there is no mapping in it", path=path)
        entries = content.get("plugins") or []
        if not isinstance(entries, list):
            raise InputError("plugins is no list", path=path)
        plugins = [_entry(entry, index, path) for index, entry in enumerate(entries)]
        wanted = content.get("load_plugins")
        if wanted is None:
            return PluginConfig(path, Path(path).parent, tuple(plugins))
        if not (isinstance(wanted, list) and all(isinstance(name, str) for name in wanted)):
            raise InputError("load_plugins is no list of names", path=path)
        known = {plugin.name: plugin for plugin in plugins}
        for name in wanted:
            if name not in known:
                raise InputError(f"load_plugins names {name}, which plugins does not have", path=path)
        return PluginConfig(path, Path(path).parent, tuple(plugin for plugin in plugins if plugin.name in wanted))

    def load(self, loader: Loader) -> list[tuple[Plugin, str]]:
        """The plugins with their open parameters. Raises PluginError."""
        return [(plugin.load(loader, self.folder), plugin.open_params) for plugin in self.plugins]

    def sources(self, loader: Loader) -> list[tuple[SourcePlugin, str]]:
        """Those that produce events. Raises PluginError, and InputError where there is none."""
        sources = [(plugin, params) for plugin, params in self.load(loader) if isinstance(plugin, SourcePlugin)]
        if not sources:
            raise InputError("loads no plugin that produces events", path=self.path)
        return sources


def _entry(entry: Any, index: int, path: str) -> ConfiguredPlugin:
    if not isinstance(entry, dict):
        raise InputError(f"entry {index} of plugins is no mapping", path=path)
    for key in ("name", "library_path"):
        if not isinstance(entry.get(key), str) or not entry[key]:
            raise InputError(f"entry {index} of plugins has no {key}", path=path)
    config = entry.get("init_config", "")
    if isinstance(config, dict | list):
        config = json.dumps(config)
    params = entry.get("open_params")
    return ConfiguredPlugin(
        entry["name"],
        entry["library_path"],
        "" if config is None else str(config),
        "" if params is None else str(params),
    )
