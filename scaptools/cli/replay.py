"""``scap replay``: captures once more, merged by time, flat out or at a pace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from scaptools.cli.options import capture_argument, captures, compression_option, report_damage, strict_option
from scaptools.cli.plugin_host import plugin_options
from scaptools.cli.printing import PrintOptions, choose_printing, print_options, standard_output, write_failed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.fields.catalog import Catalog
    from scaptools.plugins.host import PluginHost
    from scaptools.replay import Replay


@click.command("replay", short_help="Give the events of captures once more, as fast as they came or faster.")
@capture_argument
@click.option("--filter", "expression", metavar="EXPRESSION", help="Only events that match.")
@click.option(
    "--speed",
    type=click.FloatRange(0, min_open=True),
    metavar="FACTOR",
    help="So many times as fast as the events came; without it as fast as possible.",
)
@click.option("-w", "--write", "output", metavar="OUT", help="Write a capture instead of printing, - for stdout.")
@click.option(
    "-R", "--rules", multiple=True, metavar="RULES", help="Print the alerts of Falco rules; --json as Falco has it."
)
@compression_option
@plugin_options
@print_options
@click.option("-n", "--limit", type=click.IntRange(1), metavar="N", help="Stop after N events.")
@click.option("--all", "internal", is_flag=True, help="Internal events too.")
@strict_option
def command(
    files: tuple[str, ...],
    read: tuple[str, ...],
    expression: str | None,
    speed: float | None,
    output: str | None,
    rules: tuple[str, ...],
    compression: Any,
    host: PluginHost | None,
    limit: int | None,
    internal: bool,
    strict: bool,
    **printing: Any,
) -> int:
    """Print the events of all captures in order of time, when they are due.

    \b
    Examples:
      scap replay host.scap trail.scap --speed 1
      scap replay trail.scap --speed 60 --filter 'ct.error exists' --json
      scap replay -R cloudtrail trail.scap --speed 10
    """
    from scaptools.columns import ALL_ROWS
    from scaptools.fields.catalog import Catalog
    from scaptools.output.writer import RenderedOutput
    from scaptools.replay import Pace, Replay

    catalog = Catalog(host)
    replay = Replay(captures(files, read), catalog=catalog, pace=None if speed is None else Pace(speed))
    if rules:
        if output is not None or expression is not None or limit is not None:
            raise click.UsageError("-R prints alerts: it goes without --filter, -n and -w.")
        _alert(replay, rules, catalog, json_output=PrintOptions(**printing).as_json)
    elif output is not None:
        _write(_first(replay.batches(expression, internal=internal), limit), output, compression)
    else:
        chosen = choose_printing(catalog, PrintOptions(**printing))
        shown = RenderedOutput(chosen.renderer, standard_output())
        try:
            for batch, rows in _first(replay.batches(expression, fields=chosen.fields, internal=internal), limit):
                # Columns of whole batches are shared between fields; those of a choice of rows are not.
                shown.write(batch, ALL_ROWS if len(rows) == len(batch) else rows)
            shown.close()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise write_failed(error) from error
    return report_damage(replay.damage, strict=strict)


def _alert(replay: Replay, names: tuple[str, ...], catalog: Catalog, *, json_output: bool) -> None:
    """Print the alerts of rules."""
    from scaptools.cli.rulesrun import Stdout
    from scaptools.rules.alerts import AlertFormat, AlertWriter
    from scaptools.rules.engine import RuleEngine
    from scaptools.rules.library import rules_paths
    from scaptools.rules.ruleset import RulesError, RuleSet
    from scaptools.rules.run import RulesRun

    rule_set = RuleSet(catalog)
    for path in rules_paths(list(names)):
        result = rule_set.load_file(path)
        if not result.successful:
            raise RulesError(result)
    engine = RuleEngine(rule_set.active(), rule_set.sources)
    RulesRun(AlertWriter(engine, AlertFormat(json_output=json_output)), [Stdout()]).over(replay.stream())


def _write(batches: Iterator[tuple[EventBatch, NDArray[np.intp]]], output: str, compression: Any) -> None:
    from scaptools.capture.writer import CaptureWriter

    count = 0
    with CaptureWriter(output, compression=compression) as writer:
        section = None
        for batch, rows in batches:
            if batch.section is not section:
                section = batch.section
                writer.metadata(section)
            writer.write([batch.raw_blocks(rows)])
            count += len(rows)
        if section is None:
            writer.section_header()
    click.echo(f"{count} events written to {writer.name}", err=True)


def _first(
    batches: Iterator[tuple[EventBatch, NDArray[np.intp]]], limit: int | None
) -> Iterator[tuple[EventBatch, NDArray[np.intp]]]:
    """As many events as wanted."""
    left = limit
    for batch, rows in batches:
        yield batch, rows[:left]
        if left is not None:
            left -= len(rows)
            if left <= 0:
                return
