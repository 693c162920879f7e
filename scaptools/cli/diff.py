"""``scap diff``: two captures or two sets of alerts compared."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import click

from scaptools.cli.options import report_damage, strict_option
from scaptools.cli.printing import in_color
from scaptools.errors import ExitStatus, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from io import BufferedReader

    from scaptools.difference import EventDifference, SeenEvent
    from scaptools.rules.comparison import Difference

_COLORS = {"-": "red", "+": "green", "!": "yellow"}
#: What captures begin with, in either byte order and compressed; alerts are text.
_CAPTURE_STARTS = (b"\x0a\x0d\x0d\x0a", b"\x1f\x8b", b"\x28\xb5\x2f\xfd")


class _Shown(Protocol):
    def lines(self) -> Iterator[str]: ...


@click.command("diff", short_help="Compare two captures or two sets of alerts.")
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
@strict_option
def command(before: str, after: str, ignored: tuple[str, ...], as_json: bool, quiet: bool, strict: bool) -> int:
    """Show in what AFTER differs from BEFORE. The status is 1 where it does.

    Both are captures, or both are files of alerts as scap rules run and Falco write them, as text or as JSON, or golden
    files of the pytest plugin; - is standard input.

    Events of captures are the same where time, thread, type and arguments are; with the same time, thread and type they
    are compared with each other. Numbers, CPUs and lists of processes are left aside.

    Alerts of the same time and rule are compared with each other, in whatever order they come; hostnames are left
    aside.

    \b
    Examples:
      scap diff host.scap copy.scap.gz
      scap rules run old.yaml trail.scap --json > before.json
      scap rules run new.yaml trail.scap --json | scap diff before.json -
      scap diff before.json after.json --ignore tags --ignore priority
    """
    if before == after == "-":
        raise click.UsageError("Only one of the two can be standard input.")
    kinds = [_is_capture(name) for name in (before, after)]
    if all(kinds):
        if ignored:
            raise click.UsageError("--ignore is about alerts.")
        return _captures(before, after, as_json=as_json, quiet=quiet, strict=strict)
    if any(kinds):
        alerts = after if kinds[0] else before
        raise InputError("is no capture, but the other is", path=alerts, hint="compare two captures or two alert files")
    return _alerts(before, after, ignored, as_json=as_json, quiet=quiet)


def _is_capture(name: str) -> bool:
    """Whether a file begins as captures do; URLs can be nothing else. Raises InputError."""
    if "://" in name:
        return True
    try:
        if name == "-":
            return cast("BufferedReader", sys.stdin.buffer).peek(4).startswith(_CAPTURE_STARTS)
        with Path(name).open("rb") as file:
            return file.read(4).startswith(_CAPTURE_STARTS)
    except OSError as error:
        raise InputError(error.strerror or "cannot be read", path=name) from error


def _captures(before: str, after: str, *, as_json: bool, quiet: bool, strict: bool) -> int:
    from scaptools.capture.reader import open_reader
    from scaptools.difference import SIGNS, CaptureComparison
    from scaptools.fields.catalog import Catalog
    from scaptools.fields.paramtext.style import TextStyle

    with open_reader(before) as old, open_reader(after) as new:
        comparison = CaptureComparison(old.batches(), new.batches(), Catalog(style=TextStyle(limit=None)))
        differs = False
        for difference in comparison.differences():
            differs = True
            if quiet:
                break
            _print(difference, _event_record if as_json else None)
        if not quiet:
            _print_counts("events", comparison.events, comparison.same, comparison.counts, SIGNS)
        status = report_damage([*old.damage_errors(), *new.damage_errors()], strict=strict)
    return status or (ExitStatus.FOUND if differs else ExitStatus.DONE)


def _alerts(before: str, after: str, ignored: tuple[str, ...], *, as_json: bool, quiet: bool) -> int:
    from scaptools.rules.alertfiles import read_alerts
    from scaptools.rules.comparison import SIGNS, compare_alerts

    files = read_alerts(before), read_alerts(after)
    comparison = compare_alerts(*files, ignored=ignored)
    if not quiet:
        for difference in comparison.differences:
            _print(difference, _alert_record if as_json else None)
        _print_counts("alerts", (len(files[0]), len(files[1])), comparison.same, comparison.counts(), SIGNS)
    return ExitStatus.FOUND if comparison.differences else ExitStatus.DONE


def _print(difference: Any, record: Callable[[Any], dict[str, Any]] | None) -> None:
    if record is not None:
        click.echo(json.dumps(record(difference), ensure_ascii=False))
        return
    shown: _Shown = difference
    for line in shown.lines():
        click.echo(click.style(line, fg=_COLORS.get(line.lstrip()[:1])), color=in_color())


def _print_counts(
    what: str, totals: tuple[int, int], same: int, counts: Mapping[str, int], kinds: Mapping[str, str]
) -> None:
    told = ", ".join(f"{counts.get(kind, 0)} {kind}" for kind in kinds)
    click.echo(f"{totals[0]} and {totals[1]} {what}: {same} the same, {told}", err=True)


def _alert_record(difference: Difference) -> dict[str, Any]:
    entry = difference.entry
    return {
        "kind": difference.kind,
        "time": entry.time,
        "rule": entry.rule or None,
        "before": None if difference.before is None else difference.before.details,
        "after": None if difference.after is None else difference.after.details,
        "changed": sorted(name for name, _, _ in difference.changes()) if difference.kind == "changed" else [],
    }


def _event_record(difference: EventDifference) -> dict[str, Any]:
    event = difference.event

    def side(seen: SeenEvent | None) -> dict[str, Any] | None:
        return None if seen is None else {"evt.num": seen.number, "evt.args": seen.args}

    return {
        "kind": difference.kind,
        "time": event.time,
        "time_ns": event.time_ns,
        "thread.tid": event.thread,
        "evt.dir": event.direction,
        "evt.type": event.type,
        "before": side(difference.before),
        "after": side(difference.after),
        "changed": [name for name, _, _ in difference.changes],
    }
