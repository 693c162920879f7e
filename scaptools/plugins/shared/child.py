"""A plugin in another process, so that whatever it does to that process ends in an error here.

Requests are answered in the order they are sent, each within a time limit. While events of one slot are looked at, the
others are being filled. What a plugin delivered before it crashed or hung is still in its slot, and is handed out
before the error.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import scap_formats
import scaptools
from scaptools.errors import PluginError
from scaptools.plugins.shared.calls import PayloadColumns
from scaptools.plugins.shared.declaration import Declaration, OpenParameter
from scaptools.plugins.shared.extraction import Extracted, FieldRequest
from scaptools.plugins.shared.gather import memory_file
from scaptools.plugins.shared.messages import Channel, ClosedError, extent, read_arrays, write_arrays
from scaptools.plugins.shared.session import Filled, bare_message
from scaptools.plugins.shared.slot import EventSlot, SlotContent

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STANDARD_ERROR: Final = 2
#: Events of one request to extract; each has the time limit of a call.
_EXTRACTED_AT_ONCE: Final = 1 << 15
#: Slots of a stream.
_SLOTS: Final = 4
#: Seconds a process has to go by itself.
_FAREWELL_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What a plugin may take: seconds to start, to open a stream, for any other call; bytes of memory."""

    start_s: float = 60.0
    open_s: float = 60.0
    call_s: float = 60.0
    memory_bytes: int = 4 << 30

    @staticmethod
    def of_seconds(seconds: float) -> Limits:
        """The same limit for everything."""
        return Limits(seconds, seconds, seconds)


@dataclass(slots=True)
class _Running:
    """An open stream: its slots, and those that are being filled with the numbers of the requests, oldest first."""

    slots: list[EventSlot]
    filling: deque[tuple[int, int]] = field(default_factory=deque)
    next_slot: int = 0


@dataclass(frozen=True, slots=True)
class SentPayloads:
    """Payloads that can be sent (again) for extraction."""

    payloads: PayloadColumns
    sources: dict[int, str]


class ChildSession:
    """A plugin in a process of its own; see `session.Session`."""

    def __init__(self, path: str, limits: Limits | None = None) -> None:
        self.path = path
        self.name = path
        self.limits = limits or Limits()
        self._lock = threading.RLock()
        self._payload_file, self._result_file = memory_file("scap-payloads"), memory_file("scap-results")
        self._streams: dict[int, _Running] = {}
        self._asked = self._answered = 0
        self._doing: dict[int, str] = {}
        self._answers: dict[int, dict[str, Any]] = {}
        self._prepared: SentPayloads | None = None
        self._failure: PluginError | None = None
        self._process, self._channel = _start(path)
        try:
            message = {"do": "load", "path": path, "memory": self.limits.memory_bytes}
            answer = self._ask(message, self.limits.start_s, files=(self._payload_file, self._result_file))
            self.declaration = Declaration.from_json(answer["declaration"])
        except BaseException:
            self.end()
            raise
        self.name = self.declaration.info.name

    def init(self, config: str) -> None:
        """See `Session.init`."""
        self._ask({"do": "init", "config": config}, self.limits.start_s)

    def open(self, params: str) -> int:
        """See `Session.open`."""
        slots = [EventSlot() for _ in range(_SLOTS)]
        files = tuple(slot.file for slot in slots)
        stream = int(self._ask({"do": "open", "params": params}, self.limits.open_s, files=files)["stream"])
        self._streams[stream] = _Running(slots)
        return stream

    def next_events(self, stream: int) -> tuple[SlotContent, Filled]:
        """See `Session.next_events`."""
        with self._lock:
            running = self._streams[stream]
            # All slots but the one looked at are being filled, so that neither process waits for the other.
            try:
                while len(running.filling) < _SLOTS - 1:
                    self._fill(stream, running)
                answer = self._answer(running.filling[0][1], self.limits.call_s)
                asynchronous = tuple(map(bytes.fromhex, answer["asynchronous"]))
                progress = None if answer["progress"] is None else (answer["progress"][0], answer["progress"][1])
                filled = Filled(answer["ended"], answer["error"], progress, asynchronous)
            except PluginError as error:
                # What had been put into slots by then is there, whether its arrival was told or not.
                left = [running.slots[number].take() for number, _ in running.filling]
                running.filling.clear()
                return SlotContent.joined(left), Filled(ended=True, error=bare_message(error))
            number, _ = running.filling.popleft()
            return running.slots[number].take(), filled

    def _fill(self, stream: int, running: _Running) -> None:
        number = running.next_slot
        running.next_slot = (number + 1) % _SLOTS
        running.slots[number].clear()
        running.filling.append((number, self._send({"do": "fill", "stream": stream, "slot": number})))

    def close(self, stream: int) -> None:
        """See `Session.close`."""
        with self._lock:
            running = self._streams.pop(stream, None)
            if running is None:
                return
            try:
                if self._failure is None:
                    # A plugin that is busy has been heard out; nobody waits for events that are not wanted any more.
                    self._ask({"do": "close", "stream": stream}, min(_FAREWELL_SECONDS, self.limits.call_s))
            finally:
                for slot in running.slots:
                    slot.close()

    def open_parameters(self) -> tuple[OpenParameter, ...]:
        """See `Session.open_parameters`."""
        answer = self._ask({"do": "open_parameters"}, self.limits.call_s)
        return tuple(OpenParameter(**parameter) for parameter in answer["parameters"])

    def event_text(self, payloads: PayloadColumns) -> str | None:
        """See `Session.event_text`."""
        with self._lock:
            self._prepared = None
            arrays = write_arrays(self._payload_file, _arrays(payloads))
            text = self._ask({"do": "event_text", "arrays": arrays}, self.limits.call_s)["text"]
            return None if text is None else str(text)

    def prepare(self, payloads: PayloadColumns, source_names: dict[int, str]) -> SentPayloads:
        """See `Session.prepare`."""
        return SentPayloads(payloads, source_names)

    def extract(self, prepared: SentPayloads, request: FieldRequest, rows: slice | None = None) -> Extracted:
        """See `Session.extract`."""
        with self._lock:
            if self._prepared is not prepared:
                arrays = write_arrays(self._payload_file, _arrays(prepared.payloads))
                self._ask({"do": "prepare", "arrays": arrays, "sources": prepared.sources}, self.limits.call_s)
                self._prepared = prepared
            field = {name: getattr(request, name) for name in FieldRequest.__slots__}
            first, last, _ = (rows or slice(None)).indices(len(prepared.payloads))
            parts = []
            for start in range(first, max(last, first + 1), _EXTRACTED_AT_ONCE):
                end = min(start + _EXTRACTED_AT_ONCE, last)
                answer = self._ask({"do": "extract", "field": field, "rows": [start, end]}, self.limits.call_s)
                described = answer["arrays"]
                data = os.pread(self._result_file, extent(described), 0)
                parts.append(Extracted(**read_arrays(data, described)))
            return Extracted.joined(parts)

    def end(self) -> None:
        """See `Session.end`."""
        with self._lock:
            if self._payload_file < 0:
                return
            if self._failure is None:
                with contextlib.suppress(PluginError):
                    for stream in list(self._streams):
                        self.close(stream)
                    self._ask({"do": "end"}, _FAREWELL_SECONDS)
            self._channel.close()
            self._stop()
            for file in (self._payload_file, self._result_file):
                os.close(file)
            self._payload_file = self._result_file = -1

    def _ask(self, message: dict[str, Any], limit_s: float, files: tuple[int, ...] = ()) -> dict[str, Any]:
        with self._lock:
            return self._answer(self._send(message, files), limit_s)

    def _send(self, message: dict[str, Any], files: tuple[int, ...] = ()) -> int:
        if self._failure is not None:
            raise self._failure
        self._asked += 1
        self._doing[self._asked] = message["do"]
        try:
            self._channel.send(message, files)
        except ClosedError as error:
            raise self._lost() from error
        return self._asked

    def _answer(self, request: int, limit_s: float) -> dict[str, Any]:
        """The answer to a request; those that come before it are kept for whoever asked."""
        while request not in self._answers:
            if self._failure is not None:
                raise self._failure
            self._channel.end.settimeout(limit_s)
            try:
                answer, _ = self._channel.receive()
            except TimeoutError as error:
                raise self._lost(f"did not come back from {self._current()} within {limit_s:g} s") from error
            except ClosedError as error:
                raise self._lost() from error
            self._answered += 1
            self._doing.pop(self._answered, None)
            self._answers[self._answered] = answer
        answer = self._answers.pop(request)
        if answer.get("error") is not None and "ended" not in answer:
            raise PluginError(answer["error"], plugin=self.name, hint=answer.get("hint"))
        return answer

    def _current(self) -> str:
        return _WORDS[self._doing.get(self._answered + 1, "")]

    def _lost(self, reason: str | None = None) -> PluginError:
        """End the process, and say how it failed."""
        if reason is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_FAREWELL_SECONDS)
            reason = _death(self._process.poll(), self._current())
        self._stop()
        self._failure = PluginError(reason, plugin=self.name)
        return self._failure

    def _stop(self) -> None:
        try:
            self._process.wait(0 if self._failure or self._doing else _FAREWELL_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


#: What a request does, for people.
_WORDS: Final = {
    "": "waiting",
    "load": "being loaded",
    "init": "init",
    "open": "open",
    "fill": "next_batch",
    "close": "close",
    "open_parameters": "list_open_params",
    "event_text": "event_to_string",
    "prepare": "reading payloads",
    "extract": "extract_fields",
    "end": "destroy",
}


def _arrays(payloads: PayloadColumns) -> dict[str, NDArray[Any]]:
    return {name: getattr(payloads, name) for name in PayloadColumns.__slots__}


def _death(status: int | None, doing: str) -> str:
    if status is None:
        return f"closed its connection in {doing}"
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        return f"crashed in {doing} ({name})"
    return f"ended its process in {doing} (status {status})"


def _start(path: str) -> tuple[subprocess.Popen[bytes], Channel]:
    ours, theirs = socket.socketpair()
    # The process finds this package where it was found here, and nothing in the current folder.
    homes = [str(Path(package.__path__[0]).parent) for package in (scaptools, scap_formats)]
    search = os.pathsep.join([*homes, *filter(None, [os.environ.get("PYTHONPATH")])])
    with theirs:
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "scaptools.plugins.shared.worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=_STANDARD_ERROR,
                pass_fds=(theirs.fileno(),),
                env={**os.environ, "PYTHONPATH": search},
                # A terminal's interrupt is for us, who end the recording and then the plugin.
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise PluginError(f"no process can be started for it: {error}", plugin=path) from error
    return process, Channel(ours)
