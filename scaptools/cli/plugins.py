"""``scap plugins``: which plugins there are and what they offer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from scaptools.cli.listing import Form, show_rows
from scaptools.cli.options import listing_option
from scaptools.cli.plugin_host import build_loader, isolation_options
from scaptools.errors import ExitStatus

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
@click.option("--init", "init", default="", metavar="JSON", help="Init configuration of the plugin.")
@isolation_options
def show_plugin(name: str, init: str, in_process: bool, plugin_timeout: float) -> None:
    """Describe the plugin NAME, or that in a shared library: who it is, its configuration, its fields."""
    from scaptools.plugins.contract import ExtractorPlugin

    plugin = build_loader(in_process=in_process, plugin_timeout=plugin_timeout).load(name, init)
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


@command.command("check")
@click.argument("name")
@click.option("--init", "init", default="", metavar="JSON", help="Init configuration of the plugin.")
@click.option("--open", "open_params", metavar="PARAMS", help="Read events as well, with these open parameters.")
@isolation_options
def check(name: str, init: str, open_params: str | None, in_process: bool, plugin_timeout: float) -> int:
    """Check that the plugin NAME, or that in a shared library, does what it should; status 1 where it does not.

    \b
    Examples:
      scap plugins check cloudtrail --open trail.json
      scap plugins check ./libdummy.so --open '{"start": 1}'
    """
    from scaptools.plugins.check import check_plugin

    plugin = build_loader(in_process=in_process, plugin_timeout=plugin_timeout).load(name, init)
    findings = check_plugin(plugin, open_params)
    for finding in findings:
        click.echo(str(finding))
    if not findings:
        click.echo(f"{plugin.info.name} {plugin.info.version}: nothing found wrong", err=True)
    return ExitStatus.FOUND if findings else ExitStatus.DONE


@command.command("new")
@click.argument("name")
@click.option("-o", "--output", "folder", metavar="FOLDER", help="Where to; by default a folder of that name.")
def new(name: str, folder: str | None) -> None:
    """Start a plugin called NAME: a package with a source, fields and tests."""
    from pathlib import Path

    from scaptools.plugins.template import write_template

    for path in write_template(name, Path(folder or f"scaptools-{name}")):
        click.echo(path)


@command.command("build")
@click.argument("name")
@click.option("-o", "--output", "output", metavar="FILE", help="The library to write; by default libNAME.so.")
@click.option(
    "--api",
    "api",
    type=click.Choice(["0", "3"]),
    default="0",
    help="For sysdig 0.28 to 0.29 (0, default) or Falco 0.35 and later (3).",
)
def build(name: str, output: str | None, api: str) -> None:
    """Build the installed Python plugin NAME into a shared library that sysdig and Falco load.

    It needs a C compiler; the library uses this Python and what is installed in it.
    """
    from pathlib import Path

    from scaptools.plugins.build import build_plugin
    from scaptools.plugins.host import load_plugin

    click.echo(build_plugin(type(load_plugin(name)), Path(output or f"lib{name}.so"), major=int(api)))


def _capabilities(plugin: Plugin) -> list[str]:
    from scaptools.plugins.contract import ExtractorPlugin, SourcePlugin

    declaration = getattr(plugin, "declaration", None)
    if declaration is not None:
        return [word for name, word in _CAPABILITIES.items() if name in declaration.capabilities]
    kinds = {"source": SourcePlugin, "extractor": ExtractorPlugin}
    return [name for name, kind in kinds.items() if isinstance(plugin, kind)]


#: What the capabilities of shared libraries are called.
_CAPABILITIES = {
    "sourcing": "source",
    "extraction": "extractor",
    "parsing": "parser",
    "async": "asynchronous events",
    "capture listening": "listener",
}


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
