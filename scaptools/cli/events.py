"""``scap events``: the event types and their parameters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from scaptools.cli.listing import Form, show_rows
from scaptools.cli.options import listing_option

if TYPE_CHECKING:
    from scap_formats.table import EventType


@click.command("events", short_help="List the event types and their parameters.")
@click.argument("pattern", default="")
@listing_option
def command(pattern: str, listing: Form) -> None:
    """List event types, all or those with PATTERN in their name, with their parameters.

    \b
    Example:
      scap events open
    """
    from scap_formats.table import event_table

    chosen = [event for event in event_table().events if pattern in event.name]
    if not chosen:
        raise click.UsageError(f"No event type has {pattern!r} in its name.")
    if listing == "json":
        for event in chosen:
            click.echo(json.dumps(_record(event)))
        return
    rows = [(str(event.id), event.direction.symbol, event.name, _parameters(event)) for event in chosen]
    show_rows(rows, ("id", "", "event", "parameters"), listing)


def _parameters(event: EventType) -> str:
    return " ".join(f"{param.name}:{param.type.name.lower()}" for param in event.params)


def _record(event: EventType) -> dict[str, Any]:
    return {
        "id": event.id,
        "name": event.name,
        "direction": event.direction.name.lower(),
        "category": event.category.name.lower(),
        "since": event.since,
        "parameters": [
            {"name": param.name, "type": param.type.name, "format": param.format.name} for param in event.params
        ],
    }
