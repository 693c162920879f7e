"""``scap info``: what is in a capture."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Any

import click

from scaptools.cli.options import capture_argument, captures, report_damage, strict_option
from scaptools.cli.plugin_host import plugin_options
from scaptools.cli.times import duration_text, utc_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scaptools.api import Capture
    from scaptools.plugins.host import PluginHost
    from scaptools.summary import CaptureSummary, SectionSummary

#: Event types shown without --all.
_TOP_TYPES = 10


@click.command("info", short_help="Show what is in a capture.")
@capture_argument
@click.option("--json", "as_json", is_flag=True, help="One JSON object a capture.")
@click.option("--all", "every_type", is_flag=True, help="Every event type, not only the most frequent.")
@click.option("--tree", is_flag=True, help="The process tree with times instead.")
@plugin_options
@strict_option
def command(
    files: tuple[str, ...],
    read: tuple[str, ...],
    as_json: bool,
    every_type: bool,
    tree: bool,
    strict: bool,
    host: PluginHost | None,
) -> int:
    """Show blocks, events by type and source, time span, machine, plugins, comments and damage.

    With --tree it is every process there was, below the one that started it, with the program it ran last and when it
    started and ended, in seconds after the first event.

    \b
    Examples:
      scap info trail.scap
      scap info --json *.scap | jq .events
      scap info --tree host.scap
      scap info --tree --json host.scap | jq '.processes[] | select(.name == "sh")'
    """
    from scaptools.api import Capture

    errors = []
    for place, name in enumerate(captures(files, read)):
        with Capture(name, plugins=host) as capture:
            if tree:
                _print_tree(capture, as_json=as_json, apart=bool(place))
                errors += capture.reader.damage_errors()
                continue
            summary = capture.info()
            errors += capture.reader.damage_errors()
        if as_json:
            click.echo(json.dumps(_record(summary)))
            continue
        if place:
            click.echo()
        for label, value in _lines(summary, None if every_type else _TOP_TYPES):
            click.echo(f"{label:11}{value}")
    return report_damage(errors, strict=strict)


def _print_tree(capture: Capture, *, as_json: bool, apart: bool) -> None:
    from scaptools.cli.tree import tree_lines, tree_record

    tree = capture.process_tree()
    if as_json:
        click.echo(json.dumps(tree_record(capture.name, tree)))
        return
    if apart:
        click.echo()
    for line in tree_lines(capture.name, tree, terminal=sys.stdout.isatty()):
        click.echo(line)


def _lines(summary: CaptureSummary, top: int | None) -> Iterator[tuple[str, str]]:
    yield "capture", summary.name
    packing = f", {summary.compression}" if summary.compression else ""
    order = ", big-endian" if summary.byteorder == "big" else ""
    yield "size", f"{summary.decompressed_bytes:,} bytes{packing}{order}"
    if summary.first_ts is not None and summary.last_ts is not None:
        span = duration_text(summary.last_ts - summary.first_ts)
        yield "time", f"{utc_text(summary.first_ts)} to {utc_text(summary.last_ts)} ({span})"
    order = f", {summary.backward_steps:,} earlier than the one before" if summary.backward_steps else ""
    origin = f" of {summary.threads:,} threads on {summary.cpus} CPUs" if summary.threads else ""
    yield "events", f"{summary.events:,}{origin}{order}"
    yield from _counts("sources", summary.sources, None)
    for number, (source, plugin, count) in summary.plugins.items():
        known = f"plugin {plugin}" if plugin else "plugin not installed"
        yield "plugin", f"id {number}, source {source}, {known}, {count:,} events"
    for section in summary.sections:
        yield from _section_lines(section, len(summary.sections) > 1)
    yield from _counts("blocks", summary.blocks, None)
    yield from _counts("types", summary.event_types, top)
    for damage in summary.damage:
        lost = f", {damage.length:,} bytes lost" if damage.length else ""
        yield "damage", f"at byte {damage.offset:,}: {damage.reason}{lost}"


def _section_lines(section: SectionSummary, several: bool) -> Iterator[tuple[str, str]]:
    number = f" of section {section.index + 1}" if several else ""
    writer = f", written by {section.application}" if section.application else ""
    yield "format", f"{section.version}{number}{writer}"
    if section.machine is not None:
        machine = section.machine
        parts = [machine.hostname or "unnamed host", f"{machine.cpus} CPUs", f"{machine.memory_bytes / 2**30:.1f} GiB"]
        yield "machine", ", ".join(parts)
    if section.threads:
        counts = f"{section.processes:,} with {section.threads:,} threads and {section.descriptors:,} descriptors"
        yield "processes", counts
    if section.users or section.groups or section.interfaces:
        yield "host", f"{section.users} users, {section.groups} groups, {section.interfaces} interfaces"
    if section.unknown_events:
        yield "unknown", f"{section.unknown_events:,} events of types this version does not know"
    for comment in section.comments:
        yield "comment", comment


def _counts(label: str, counts: Mapping[str, int], top: int | None) -> Iterator[tuple[str, str]]:
    shown = list(counts.items())[:top]
    width = max((len(f"{count:,}") for _, count in shown), default=0)
    for place, (name, count) in enumerate(shown):
        yield "" if place else label, f"{count:>{width},}  {name}"
    if len(shown) < len(counts):
        yield "", f"and {len(counts) - len(shown)} more; --all shows them"


def _record(summary: CaptureSummary) -> dict[str, Any]:
    record = dataclasses.asdict(summary)
    for key in ("first", "last"):
        stamp = record[f"{key}_ts"]
        record[key] = None if stamp is None else utc_text(stamp)
    record["plugins"] = [
        {"id": number, "source": source, "plugin": plugin, "events": count}
        for number, (source, plugin, count) in summary.plugins.items()
    ]
    return record
