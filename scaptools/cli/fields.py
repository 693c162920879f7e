"""``scap fields``: what filters and formats can ask for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from scaptools.cli.listing import Form, show_rows
from scaptools.cli.options import listing_option
from scaptools.cli.plugin_host import plugin_options

if TYPE_CHECKING:
    from scaptools.fields.model import Field
    from scaptools.plugins.host import PluginHost


@click.command("fields", short_help="List the fields filters and formats can use.")
@click.argument("pattern", default="")
@listing_option
@plugin_options
def command(pattern: str, listing: Form, host: PluginHost | None) -> None:
    """List fields, all or those with PATTERN in their name, with type and meaning.

    \b
    Examples:
      scap fields ct.
      scap fields --json
    """
    from scaptools.fields.catalog import Catalog

    chosen = [field for field in Catalog(host).registry if pattern in field.name]
    if not chosen:
        raise click.UsageError(f"No field has {pattern!r} in its name.")
    if listing == "json":
        for field in chosen:
            click.echo(json.dumps(_record(field)))
        return
    rows = [
        (field.name + (field.argument.form if field.argument else ""), _type(field), field.description)
        for field in chosen
    ]
    show_rows(rows, ("field", "type", "meaning"), listing)


def _type(field: Field) -> str:
    return field.type.name.lower() + (" list" if field.is_list else "")


def _record(field: Field) -> dict[str, Any]:
    return {
        "name": field.name,
        "type": field.type.name,
        "list": field.is_list,
        "argument": None if field.argument is None else field.argument.form,
        "argument_required": field.argument is not None and field.argument.required,
        "flags": sorted(field.flags),
        "source": field.source,
        "description": field.description,
    }
