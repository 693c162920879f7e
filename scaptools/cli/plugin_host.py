"""The options that say which plugins are in use, and the host that comes of them."""

from __future__ import annotations

import os
import sys
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scaptools.plugins.host import PluginHost
    from scaptools.plugins.loading import Loader

F = TypeVar("F", bound="Callable[..., Any]")


def isolation_options(function: F) -> F:
    """``--in-process`` and ``--plugin-timeout``: how shared libraries are run."""
    function = click.option(
        "--plugin-timeout",
        type=click.FloatRange(0, min_open=True),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="How long a plugin in a shared library may take for one call.",
    )(function)
    return click.option(
        "--in-process", is_flag=True, help="Run shared libraries in this process: faster, but a crash ends it."
    )(function)


def plugin_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--plugin``, ``--config`` and how libraries are run, as one parameter ``host``: whose fields can be used."""

    @wraps(function)
    def with_host(
        *arguments: Any,
        plugins: Sequence[str],
        plugin_config: str | None,
        in_process: bool,
        plugin_timeout: float,
        **options: Any,
    ) -> Any:
        host = build_host(plugins, plugin_config, in_process=in_process, plugin_timeout=plugin_timeout)
        return function(*arguments, host=host, **options)

    optioned = isolation_options(with_host)
    optioned = click.option(
        "--config", "plugin_config", metavar="FALCO_YAML", help="Load the plugins of a Falco configuration."
    )(optioned)
    return click.option(
        "-H",
        "--plugin",
        "plugins",
        multiple=True,
        metavar="PLUGIN[:INIT]",
        help="A plugin to use, by name or path of a shared library, with its init configuration.",
    )(optioned)


def build_host(
    plugins: Sequence[str], plugin_config: str | None, *, in_process: bool, plugin_timeout: float
) -> PluginHost | None:
    """The host the options ask for, None where they ask for nothing but the default. Raises ScapError."""
    if not plugins and plugin_config is None:
        return None
    from scaptools.plugins.config import PluginConfig
    from scaptools.plugins.host import PluginHost
    from scaptools.plugins.loading import add_installed

    loader = build_loader(in_process=in_process, plugin_timeout=plugin_timeout, together=True)
    host = PluginHost()
    if plugin_config is not None:
        for plugin, _ in PluginConfig.read(plugin_config).load(loader):
            host.add(plugin)
    for reference, init in map(split_reference, plugins):
        host.add(loader.load(reference, init))
    add_installed(host)
    return host


def build_loader(*, in_process: bool, plugin_timeout: float, together: bool = False) -> Loader:
    """How shared libraries are loaded, all into one process or each into its own.

    In this process their output is kept apart from ours.
    """
    from scaptools.plugins.loading import Loader
    from scaptools.plugins.shared.child import Limits

    if in_process:
        _keep_standard_output()
    return Loader(in_process, Limits.of_seconds(plugin_timeout), together)


def split_reference(text: str) -> tuple[str, str]:
    """A plugin's name or path, and what follows the first colon."""
    reference, _, init = text.partition(":")
    return reference, init


def _keep_standard_output() -> None:
    """Give data a descriptor of its own, and what a library prints the one of standard error."""
    if sys.stdout.fileno() != _STANDARD_OUTPUT:
        return
    sys.stdout.flush()
    data = os.dup(_STANDARD_OUTPUT)
    os.dup2(_STANDARD_ERROR, _STANDARD_OUTPUT)
    sys.stdout = open(data, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)  # noqa: PTH123


_STANDARD_OUTPUT, _STANDARD_ERROR = 1, 2
