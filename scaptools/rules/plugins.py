"""Plugins of a configuration: those it names, with what it gives them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from scaptools.errors import InputError
from scaptools.plugins.host import PluginHost, load_plugin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scaptools.plugins.contract import Plugin
    from scaptools.rules.config import PluginSettings


def configured_host(plugins: Iterable[PluginSettings]) -> PluginHost:
    """A host with the plugins of a configuration, in its order.

    Raises PluginError where one is not installed, and InputError where its configuration is no JSON object.
    """
    return PluginHost([_plugin(settings) for settings in plugins])


def _plugin(settings: PluginSettings) -> Plugin:
    if not settings.init_config.strip():
        return load_plugin(settings.name)
    try:
        config = json.loads(settings.init_config)
    except ValueError as error:
        raise InputError(f"init_config of plugin {settings.name} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise InputError(f"init_config of plugin {settings.name} is no JSON object")
    return load_plugin(settings.name, config)
