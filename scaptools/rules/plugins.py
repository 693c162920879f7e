"""Plugins of a configuration: those it names, with what it gives them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from scaptools.errors import InputError
from scaptools.plugins.config import ConfiguredPlugin
from scaptools.plugins.host import PluginHost, load_plugin
from scaptools.plugins.loading import Loader, found

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scaptools.plugins.contract import Plugin
    from scaptools.rules.config import PluginSettings


def configured_host(plugins: Iterable[PluginSettings]) -> PluginHost:
    """A host with the plugins of a configuration, in its order; shared libraries run in a process they share.

    Raises PluginError where one cannot be loaded or is not installed, and InputError where the configuration of an
    installed one is no JSON object.
    """
    loader = Loader(together=True)
    return PluginHost([_plugin(settings, loader) for settings in plugins])


def _plugin(settings: PluginSettings, loader: Loader) -> Plugin:
    if settings.library and Path(found(settings.library)).exists():
        return ConfiguredPlugin(settings.name, settings.library, settings.init_config).load(loader, Path())
    if not settings.init_config.strip():
        return load_plugin(settings.name)
    try:
        config = json.loads(settings.init_config)
    except ValueError as error:
        raise InputError(f"init_config of plugin {settings.name} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise InputError(f"init_config of plugin {settings.name} is no JSON object")
    return load_plugin(settings.name, config)
