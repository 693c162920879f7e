"""Runs: rules over captures, alerts to outputs, and the account of both."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from scaptools.capture.reader import open_reader
from scaptools.rules.alerts import Alert, AlertLines, AlertWriter
from scaptools.rules.engine import Matches, Tally
from scaptools.rules.outputs.delivery import Message, Outputs, Worker
from scaptools.rules.outputs.file import FileOutput
from scaptools.rules.outputs.http import HttpOutput
from scaptools.rules.outputs.program import ProgramOutput
from scaptools.rules.outputs.syslog import SyslogOutput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from scaptools.capture.batch import EventBatch
    from scaptools.capture.source import Opened
    from scaptools.rules.config import OutputSettings
    from scaptools.rules.engine import RuleEngine
    from scaptools.rules.eventcapture import Follower
    from scaptools.rules.outputs.delivery import Output
    from scaptools.rules.ratelimit import RateLimit

_MILLISECONDS = 1000


class Sink(Protocol):
    """Takes alerts."""

    def send(self, messages: Sequence[Message]) -> None:
        """Take some alerts, in order."""


@dataclass
class RulesRun:
    """Evaluates rules over batches and sends the alerts to sinks; ``tally`` counts as it goes."""

    writer: AlertWriter
    sinks: Sequence[Sink]
    limit: RateLimit | None = None
    tally: Tally = field(default_factory=Tally)
    followers: Sequence[Follower] = ()

    def over(self, batches: Iterable[EventBatch]) -> None:
        """Run over the batches of one capture."""
        engine = self.writer.engine
        try:
            for batch in engine.prepared(batches):
                self.tally.events += len(batch)
                matches = engine.matches(batch)
                self.tally.note(engine, matches)
                for alerts in self.writer.portions(batch, matches):
                    self._send(alerts)
                for follower in self.followers:
                    follower.take(batch, matches)
        finally:
            for follower in self.followers:
                follower.end()

    def take(self, alerts: AlertLines) -> None:
        """Count and send alerts that another process found."""
        self.tally.note(self.writer.engine, Matches(alerts.rules, alerts.rules))
        self._send(alerts)

    def _send(self, alerts: AlertLines) -> None:
        lines, priorities = alerts.lines, alerts.priorities
        if self.limit is not None:
            passed = np.flatnonzero(self.limit.admitted(alerts.times))
            lines, priorities = lines.take(passed), priorities[passed]
        messages = [
            Message(text, priority) for text, priority in zip(lines.to_pylist(), priorities.tolist(), strict=True)
        ]
        if messages:
            for sink in self.sinks:
                sink.send(messages)


def open_outputs(
    settings: OutputSettings,
    *,
    json_output: bool,
    patience: float,
    notify: Callable[[str], None],
    undelivered: Callable[[Sequence[Message]], None] | None = None,
    echo: Callable[[bytes], None] | None = None,
) -> Outputs:
    """The outputs that settings ask for, standard output left aside. Raises OutputError."""
    outputs: list[Output] = []
    if settings.file is not None:
        outputs.append(FileOutput(settings.file, keep_alive=settings.file_keep_alive))
    if settings.syslog is not None:
        outputs.append(SyslogOutput(settings.syslog))
    if settings.program is not None:
        outputs.append(ProgramOutput(settings.program, keep_alive=settings.program_keep_alive))
    if settings.http is not None:
        outputs.append(HttpOutput(settings.http, json_output=json_output, echo=echo))
    options: dict[str, Any] = {
        "capacity": settings.capacity,
        "patience": patience,
        "report_after": settings.timeout_ms / _MILLISECONDS,
        "notify": notify,
        "undelivered": undelivered,
    }
    return Outputs([Worker(output, **options) for output in outputs])


def alerts_of(engine: RuleEngine, capture: Opened) -> list[Alert]:
    """The alerts of a capture as values, in order. Raises CaptureError where it is damaged beyond reading."""
    writer = AlertWriter(engine)
    found: list[Alert] = []
    with open_reader(capture) as reader:
        for batch in engine.prepared(reader.batches()):
            found += writer.alerts(batch, engine.matches(batch))
    return found
