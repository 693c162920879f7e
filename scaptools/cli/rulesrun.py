"""Running rules for ``scap rules``: captures in, alerts out, and what the exit status says about it."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from scaptools.cli.options import report_damage
from scaptools.cli.printing import standard_output, write_failed
from scaptools.errors import ExitStatus, InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from scaptools.capture.batch import EventBatch
    from scaptools.errors import CaptureError
    from scaptools.rules.config import Config
    from scaptools.rules.engine import RuleEngine
    from scaptools.rules.outputs.delivery import Message, Outputs, Report
    from scaptools.rules.ruleset import RuleSet
    from scaptools.rules.run import RulesRun, Sink
    from scaptools.rules.selection import Selection


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line says about a run beyond the configuration."""

    selections: tuple[Selection, ...]
    raw_events: bool
    undelivered: str | None
    patience: float
    quiet: bool
    stdout: bool
    strict: bool
    by_status: bool
    workers: int | None = None
    scheduler: str | None = None
    names: tuple[str, ...] = ()

    @property
    def on_cluster(self) -> bool:
        """Whether others do the work; they load the rules by their ``names``."""
        return self.workers is not None or self.scheduler is not None


class _Terminated(Exception):  # noqa: N818 - a request, not an error
    """Somebody asked the run to end."""


def run_rules(rule_set: RuleSet, settings: Config, names: Sequence[str], options: RunOptions) -> int:
    """Run over captures; the exit status. Raises OutputError where alerts were lost."""
    from scaptools.rules.alerts import AlertWriter, summary
    from scaptools.rules.eventcapture import EventCapture
    from scaptools.rules.run import RulesRun, open_outputs

    engine = rule_engine(rule_set, settings, options.selections, raw_events=options.raw_events)
    outputs = open_outputs(
        settings.outputs,
        json_output=settings.format.json_output,
        patience=options.patience,
        notify=lambda text: click.echo(f"scap: {text}", err=True),
        undelivered=None if options.undelivered is None else _Undelivered(options.undelivered),
        echo=lambda answer: click.echo(answer, err=True),
    )
    sinks: list[Sink] = [Stdout(), outputs] if options.stdout else [outputs]
    limit = settings.rate_limit()
    capture = settings.event_capture and EventCapture(
        settings.event_capture, engine.rules, lambda text: click.echo(f"scap: {text}", err=True)
    )
    run = RulesRun(AlertWriter(engine, settings.format), sinks, limit, followers=[capture] if capture else [])
    with _Interruption(outputs) as interruption:
        if options.on_cluster:
            damage = _over_cluster(run, settings, names, options)
        else:
            damage = _over(run, names, outputs, interruption)
        reports = outputs.close()
    if not options.quiet:
        click.echo(summary(sum(run.tally.alerts.values()), engine.rules, run.tally.alerts), err=True, nl=False)
    if limit is not None and limit.held_back:
        click.echo(f"scap: {limit.held_back} alerts held back by the rate limit", err=True)
    if capture and not options.quiet:
        click.echo(f"scap: captures written: {len(capture.paths)}", err=True)
    _account(reports, options)
    if capture and capture.error is not None:
        raise capture.error
    status = report_damage(damage, strict=options.strict)
    if interruption.asked:
        return ExitStatus.INTERRUPTED
    if status is ExitStatus.DONE and options.by_status and run.tally.alerts:
        return ExitStatus.FOUND
    return status


def rule_engine(
    rule_set: RuleSet, settings: Config, selections: Sequence[Selection], *, raw_events: bool
) -> RuleEngine:
    """The engine for the rules that are active."""
    from scaptools.rules.engine import RuleEngine

    active = rule_set.active([*settings.selections, *selections])
    return RuleEngine(active, rule_set.sources, matching=settings.matching, raw_events=raw_events)


def _over(run: RulesRun, names: Sequence[str], outputs: Outputs, interruption: _Interruption) -> list[CaptureError]:
    """Run over the captures, until somebody asks for the end; the damage met."""
    from scaptools.capture.reader import open_reader

    damage: list[CaptureError] = []
    try:
        for name in names:
            with open_reader(name) as reader:
                try:
                    run.over(interruption.watched(reader.batches()))
                finally:
                    damage += reader.damage_errors()
    except _Terminated:
        return damage
    except BaseException:
        # what was found before is delivered also where a capture turns out to be unreadable
        _tell(outputs.close(), quiet=True)
        raise
    return damage


def _over_cluster(run: RulesRun, settings: Config, names: Sequence[str], options: RunOptions) -> list[CaptureError]:
    """Have a cluster run over the captures; the damage met."""
    from scaptools.cli.distribution import RulesJob, run_on_cluster

    # Outputs are this process's; nobody else needs to know of them.
    job = RulesJob(settings, list(options.names), options.selections, options.raw_events)
    damage: list[CaptureError] = []
    for output in run_on_cluster(job, names, scheduler=options.scheduler, workers=options.workers, by_state=False):
        run.tally.events += output.count
        for _, portions in output.pieces:
            for alerts in portions:
                run.take(alerts)
        damage += output.damage
    return damage


class _Interruption:
    """Lets SIGTERM and SIGINT end the run between two batches; a second one ends waiting for outputs as well."""

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs
        self.asked = False
        self._waiting = False
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._handlers[number] = signal.signal(number, self._end)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            self._outputs.hurry()
            return
        self.asked = True
        # not by way of the buffered file, which this may have interrupted
        os.write(sys.stderr.fileno(), b"scap: asked to end; delivering the alerts found so far\n")
        if self._waiting:
            self._waiting = False
            raise _Terminated

    def watched(self, batches: Iterator[EventBatch]) -> Iterator[EventBatch]:
        """The same batches, until somebody asks for the end; alerts of a batch are sent as a whole."""
        while True:
            self._waiting = True
            if self.asked:
                self._waiting = False
                raise _Terminated
            batch = next(batches, None)
            self._waiting = False
            if batch is None:
                return
            yield batch


def _account(reports: Sequence[Report], options: RunOptions) -> None:
    """Tell what became of the alerts. Raises OutputError where some were lost."""
    _tell(reports, quiet=options.quiet)
    lost = sum(report.lost for report in reports)
    if lost:
        kept = options.undelivered
        raise OutputError(
            f"{lost} alerts were not delivered", hint="--undelivered FILE keeps them" if kept is None else f"see {kept}"
        )


def _tell(reports: Sequence[Report], *, quiet: bool) -> None:
    for report in reports:
        if not quiet or report.lost or report.dropped:
            click.echo(f"scap: output {report}", err=True)


class Stdout:
    """Alerts on standard output."""

    def __init__(self) -> None:
        self._file = standard_output()

    def send(self, messages: Sequence[Message]) -> None:
        """Write a line for each alert. Raises OutputError."""
        try:
            self._file.write(b"".join([message.text + b"\n" for message in messages]))
            self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise write_failed(error) from error


class _Undelivered:
    """Keeps alerts that an output did not take; several outputs may call it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()

    def __call__(self, messages: Sequence[Message]) -> None:
        with self._lock:
            try:
                with Path(self._path).open("ab") as file:
                    file.write(b"".join([message.text + b"\n" for message in messages]))
            except OSError as error:
                click.echo(f"scap: {self._path}: cannot be written: {error.strerror}", err=True)


def explain_rules(
    rule_set: RuleSet,
    settings: Config,
    name: str,
    selections: Sequence[Selection],
    wanted: Sequence[str],
    number: int,
    *,
    raw_events: bool,
    as_json: bool,
) -> int:
    """Explain rules for one event of a capture; the exit status. Raises InputError where there is no such event."""
    from scaptools.capture.reader import open_reader
    from scaptools.rules.engine import RuleEngine
    from scaptools.rules.explain import explain

    unknown = set(wanted) - {rule.name for rule in rule_set.rules}
    if unknown:
        raise click.UsageError(f"No rule is called {min(unknown)!r}.")
    active = rule_engine(rule_set, settings, selections, raw_events=raw_events)
    every = RuleEngine(rule_set.rules, rule_set.sources, raw_events=raw_events)
    with open_reader(name) as reader:
        for batch in every.prepared(reader.batches()):
            row = number - batch.first_number
            if not 0 <= row < len(batch):
                continue
            source = next(key for key, rows in rule_set.sources.rows(batch).items() if _holds(rows, row, len(batch)))
            matches = active.matches(batch)
            fired = {active.rules[index].name for index in matches.rules[matches.rows == row].tolist()}
            for rule in rule_set.rules:
                if rule.source != source or (wanted and rule.name not in wanted):
                    continue
                explanation = explain(rule, rule_set.sources, batch, row)
                verdict = _verdict(explanation.truth, rule.name in fired, any(rule is one for one in active.rules))
                if as_json:
                    record = {"rule": rule.name, "verdict": verdict, "explanation": explanation.to_json()}
                    click.echo(json.dumps(record, ensure_ascii=False))
                else:
                    click.echo(f"{rule.name}: {verdict}")
                    for line in explanation.lines():
                        click.echo(f"  {line}")
            for rule in rule_set.rules:
                if rule.source != source and rule.name in wanted:
                    click.echo(f"{rule.name}: looks at {rule.source}, and the event is of {source}")
            return ExitStatus.DONE
    raise InputError(f"has no event {number}", path=name)


def _holds(rows: Any, row: int, count: int) -> bool:
    return row in range(*rows.indices(count)) if isinstance(rows, slice) else bool((rows == row).any())


def _verdict(truth: bool, fired: bool, enabled: bool) -> str:
    if fired:
        return "alert"
    if not truth:
        return "does not match"
    return "matches, but another rule is reported first" if enabled else "matches, but is disabled"
