"""Files of alerts read back: Falco's JSON lines, its text lines, and golden files."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaptools.errors import InputError
from scaptools.fields.paramtext.clock import Clock
from scaptools.rules.priority import Priority

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_PRIORITIES = "|".join(priority.label for priority in Priority)
#: A text line: a time of day, or a time with its date in UTC.
_LINE = re.compile(
    rf"((?:\d{{4}}-\d\d-\d\dT)?\d\d:\d\d:\d\d\.\d{{9}}(?:\+0000)?): ({_PRIORITIES}) (.*)", re.DOTALL | re.ASCII
)
_TEXT_START = re.compile(_LINE.pattern.removesuffix("(.*)").encode())
#: What Falco prints behind the alerts of a run.
_SUMMARY = re.compile(rb"Events detected: \d+")
_GOLDEN_TIME = Clock("dTt.nZ", utc=True)
#: Other names the same things have in golden files.
_GOLDEN_NAMES = {"fields": "output_fields", "number": "event"}
#: What says the same as the alert's time and message.
_REPEATED = frozenset({"time", "time_ns", "rule", "output", "message"})
_REPEATED_FIELDS = frozenset({"evt.time", "evt.time.iso8601"})


@dataclass(frozen=True, slots=True)
class AlertEntry:
    """One alert of a file: when, by which rule (empty in text), and all else by name, the message among it.

    ``text_time`` is the time as text lines have it, where that is known.
    """

    time: str
    rule: str
    details: dict[str, Any]
    text_time: str | None = None

    def without(self, names: Collection[str]) -> AlertEntry:
        """The same without some details; those of ``output_fields`` may be named by a dot behind that."""
        details = {name: value for name, value in self.details.items() if name not in names}
        fields = details.get("output_fields")
        if isinstance(fields, dict):
            kept = {name: value for name, value in fields.items() if f"output_fields.{name}" not in names}
            details["output_fields"] = kept
        return replace(self, details=details)

    def as_text(self) -> AlertEntry:
        """What a text line says of the alert."""
        details = {name: self.details.get(name) for name in ("priority", "message")}
        return AlertEntry(self.text_time or self.time, "", details, self.text_time)

    def identity(self) -> str:
        """A text that equal alerts share."""
        return json.dumps([self.time, self.rule, self.details], sort_keys=True, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class AlertFile:
    """The alerts of a file, not yet taken apart: raw text and line number of each."""

    path: str
    is_text: bool
    lines: list[tuple[bytes, int]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lines)

    def raw(self) -> Counter[bytes]:
        """How often each raw alert is there."""
        return Counter(line for line, _ in self.lines)

    def entries(self, leaving_out: Counter[bytes]) -> Iterable[AlertEntry]:
        """The alerts in order, but for the first so many of some raw ones. Raises InputError at what is no alert."""
        left = leaving_out.copy()
        read = _text_entry if self.is_text else _json_entry
        for line, number in self.lines:
            if left[line] > 0:
                left[line] -= 1
                continue
            try:
                yield read(line)
            except ValueError as error:
                raise InputError(f"line {number} is no alert: {error}", path=self.path) from error


def read_alerts(path: str) -> AlertFile:
    """Read a file of alerts, ``-`` for standard input. Raises InputError."""
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise InputError(error.strerror or "cannot be read", path=path) from error
    lines = [(line, number) for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1)]
    filled = [(line.rstrip(b"\r"), number) for line, number in lines if line.strip()]
    if not filled or filled[0][0].lstrip().startswith(b"{"):
        return AlertFile(path, is_text=False, lines=filled)
    return AlertFile(path, is_text=True, lines=_joined(filled, path))


def _joined(lines: list[tuple[bytes, int]], path: str) -> list[tuple[bytes, int]]:
    """Text alerts with the lines an output with line breaks goes on in, without the summary of the run."""
    found: list[tuple[bytes, int]] = []
    for line, number in lines:
        if _TEXT_START.match(line):
            found.append((line, number))
        elif _SUMMARY.fullmatch(line):
            break
        elif found:
            found[-1] = (found[-1][0] + b"\n" + line, found[-1][1])
        else:
            raise InputError(
                f"line {number} is no alert", path=path, hint="alerts are Falco's text lines or its JSON objects"
            )
    return found


def _text_entry(line: bytes) -> AlertEntry:
    found = _LINE.fullmatch(line.decode("utf-8", "backslashreplace"))
    if found is None:
        raise ValueError("it begins with no time and priority")
    time, priority, message = found.groups()
    return AlertEntry(time, "", {"priority": priority, "message": message}, time)


def _json_entry(line: bytes) -> AlertEntry:
    try:
        alert = json.loads(line)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    match alert:
        case {"rule": str(rule)}:
            pass
        case _:
            raise ValueError("it is no JSON object with a rule")
    details: dict[str, Any] = {
        _GOLDEN_NAMES.get(name, name): value
        for name, value in alert.items()
        if name not in _REPEATED and name != "hostname"
    }
    fields = details.get("output_fields")
    if isinstance(fields, dict):
        details["output_fields"] = {name: value for name, value in fields.items() if name not in _REPEATED_FIELDS}
    output, message = alert.get("output"), alert.get("message")
    found = _LINE.fullmatch(output) if isinstance(output, str) else None
    if message is None:
        message = output if found is None else found[3]
    if message is not None:
        details = {"message": message, **details}
    return AlertEntry(_time(alert), rule, details, None if found is None else found[1])


def _time(alert: dict[str, Any]) -> str:
    time, time_ns = alert.get("time"), alert.get("time_ns")
    if isinstance(time_ns, int) and 0 <= time_ns < 1 << 64:
        import numpy as np

        text: bytes = _GOLDEN_TIME.texts(np.array([time_ns], np.uint64))[0].as_py()
        return text.decode()
    return time if isinstance(time, str) else ""
