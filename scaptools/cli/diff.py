"""``scap diff``: two sets of alerts compared."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from scaptools.cli.printing import in_color
from scaptools.errors import ExitStatus

if TYPE_CHECKING:
    from scaptools.rules.comparison import Difference

_COLORS = {"-": "red", "+": "green", "!": "yellow"}


@click.command("diff", short_help="Compare two sets of alerts.")
@click.argument("before", metavar="BEFORE")
@click.argument("after", metavar="AFTER")
@click.option(
    "--ignore",
    "ignored",
    multiple=True,
    metavar="NAME",
    help="Leave a key of the alerts aside, such as tags or output_fields.proc.pid.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each difference.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing; only the status tells.")
def command(before: str, after: str, ignored: tuple[str, ...], as_json: bool, quiet: bool) -> int:
    """Show in which alerts AFTER differs from BEFORE. The status is 1 where it does.

    Both are files of alerts as scap rules run and Falco write them, as text or as JSON, or golden files of the pytest
    plugin; - is standard input. Alerts of the same time and rule are compared with each other, in whatever order they
    come; hostnames are left aside.

    \b
    Examples:
      scap rules run old.yaml trail.scap --json > before.json
      scap rules run new.yaml trail.scap --json | scap diff before.json -
      scap diff before.json after.json --ignore tags --ignore priority
    """
    from scaptools.rules.alertfiles import read_alerts
    from scaptools.rules.comparison import SIGNS, compare_alerts

    if before == after == "-":
        raise click.UsageError("Only one of the two can be standard input.")
    files = read_alerts(before), read_alerts(after)
    comparison = compare_alerts(*files, ignored=ignored)
    if not quiet:
        for difference in comparison.differences:
            if as_json:
                click.echo(json.dumps(_record(difference), ensure_ascii=False))
            else:
                for line in difference.lines():
                    click.echo(click.style(line, fg=_COLORS.get(line.lstrip()[:1])), color=in_color())
        counts = comparison.counts()
        told = ", ".join(f"{counts[kind]} {kind}" for kind in SIGNS)
        click.echo(f"{len(files[0])} and {len(files[1])} alerts: {comparison.same} the same, {told}", err=True)
    return ExitStatus.FOUND if comparison.differences else ExitStatus.DONE


def _record(difference: Difference) -> dict[str, Any]:
    entry = difference.entry
    return {
        "kind": difference.kind,
        "time": entry.time,
        "rule": entry.rule or None,
        "before": None if difference.before is None else difference.before.details,
        "after": None if difference.after is None else difference.after.details,
        "changed": sorted(name for name, _, _ in difference.changes()) if difference.kind == "changed" else [],
    }
