"""``scap plugins``: which plugins there are and what they offer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from scaptools.cli.listing import Form, show_rows
from scaptools.cli.options import listing_option

if TYPE_CHECKING:
    from scaptools.plugins.contract import Plugin


@click.group("plugins", short_help="List and describe plugins.")
def command() -> None:
    """List and describe plugins."""


@command.command("list")
@listing_option
def list_plugins(listing: Form) -> None:
    """List the plugins that are installed."""
    from scaptools.plugins.host import default_host

    plugins = default_host().plugins
    if listing == "json":
        for plugin in plugins:
            click.echo(json.dumps(_record(plugin)))
        return
    rows = [
        (
            plugin.info.name,
            str(plugin.info.id or ""),
            plugin.info.source,
            ", ".join(_capabilities(plugin)),
            plugin.info.description,
        )
        for plugin in plugins
    ]
    show_rows(rows, ("plugin", "id", "source", "capabilities", "what it does"), listing)


@command.command("info")
@click.argument("name")
def show_plugin(name: str) -> None:
    """Describe the plugin NAME: who it is, its configuration, its fields."""
    from scaptools.plugins.contract import ExtractorPlugin
    from scaptools.plugins.host import load_plugin

    plugin = load_plugin(name)
    for key, value in _record(plugin).items():
        click.echo(f"{key:14}{', '.join(value) if isinstance(value, list) else value}")
    if plugin.config_schema is not None:
        click.echo("\ninit configuration")
        for key, schema in plugin.config_schema.get("properties", {}).items():
            click.echo(f"  {key:24}{schema.get('type', '')}  {schema.get('description', '')}")
    if isinstance(plugin, ExtractorPlugin):
        click.echo("\nfields")
        for field in plugin.fields:
            click.echo(f"  {field.name:42}{field.type.name.lower():9}{field.description}")


def _capabilities(plugin: Plugin) -> list[str]:
    from scaptools.plugins.contract import ExtractorPlugin, SourcePlugin

    kinds = {"source": SourcePlugin, "extractor": ExtractorPlugin}
    return [name for name, kind in kinds.items() if isinstance(plugin, kind)]


def _record(plugin: Plugin) -> dict[str, Any]:
    return {
        "name": plugin.info.name,
        "version": plugin.info.version,
        "id": plugin.info.id,
        "source": plugin.info.source,
        "capabilities": _capabilities(plugin),
        "description": plugin.info.description,
        "contact": plugin.info.contact,
    }
