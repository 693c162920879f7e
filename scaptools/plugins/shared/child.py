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
import threading
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from scaptools.errors import PluginError
from scaptools.plugins.blocks import EventBlocks
from scaptools.plugins.shared.declaration import Declaration, OpenParameter
from scaptools.plugins.shared.extraction import Extracted, FieldRequest
from scaptools.plugins.shared.loop import compiled
from scaptools.plugins.shared.memory import memory_file
from scaptools.plugins.shared.messages import Channel, ClosedError, extent, read_arrays, write_arrays
from scaptools.plugins.shared.parsed_loop import ffi
from scaptools.plugins.shared.process import Process, start
from scaptools.plugins.shared.session import SLOTS, Filled, Initialised, Opened, bare_message
from scaptools.plugins.shared.slot import SlotContent, SlotSet

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from scaptools.plugins.shared.inorder import Turn
    from scaptools.plugins.shared.payloads import PayloadColumns, WholeEvents
    from scaptools.plugins.shared.session import Session
    from scaptools.plugins.shared.tables import Change

#: Events of one request to extract; each has the time limit of a call.
_EXTRACTED_AT_ONCE: Final = 1 << 15
#: Slots of a stream that are being filled, while events of others are looked at.
_AHEAD: Final = 3
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

    slots: SlotSet
    filling: deque[tuple[int, int]] = field(default_factory=deque)


@dataclass(frozen=True, slots=True)
class Sendable:
    """Payloads or complete events that can be sent (again) for extraction: the request, and the columns it is about."""

    message: dict[str, Any]
    columns: PayloadColumns | WholeEvents


class ChildSession:
    """A plugin in a process of its own; see `session.Session`."""

    def __init__(self, path: str, limits: Limits | None = None, beside: ChildSession | None = None) -> None:
        """Load a library, in a process of its own or in that of another session."""
        self.path = path
        self._beside = beside
        self.number = -1
        self.name = path
        self.limits = limits or Limits()
        self._lock = threading.RLock()
        self._payload_file, self._result_file = memory_file("scap-payloads"), memory_file("scap-results")
        self._streams: dict[int, _Running] = {}
        self._asked = self._answered = 0
        self._doing: dict[int, str] = {}
        self._answers: dict[int, dict[str, Any]] = {}
        self._prepared: Sendable | None = None
        self._failure: PluginError | None = None
        self._process, self._channel = self._start() if beside is None else beside.make_room()
        try:
            message = {"do": "load", "path": path, "memory": self.limits.memory_bytes}
            answer = self._ask(message, self.limits.start_s, files=(self._payload_file, self._result_file))
            self.declaration = Declaration.from_json(answer["declaration"])
            self.number = answer["number"]
        except BaseException:
            self.end()
            raise
        self.name = self.declaration.info.name

    def _start(self) -> tuple[Process, Channel]:
        process, end = start(self.path)
        return process, Channel(end)

    @property
    def home(self) -> Hashable:
        """See `Session.home`."""
        return self._process

    def make_room(self) -> tuple[Process, Channel]:
        """The process, and a channel to another plugin that is to be loaded into it."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._ask({"do": "serve"}, self.limits.start_s, files=(theirs.fileno(),))
        return self._process, Channel(ours)

    def init(self, config: str) -> Initialised:
        """See `Session.init`."""
        answer = self._ask({"do": "init", "config": config}, self.limits.start_s)
        return Initialised(tuple(answer["extract_types"]), tuple(answer["parse_types"]), answer["uses_tables"])

    def release(self) -> None:
        """See `Session.release`."""
        self._ask({"do": "release"}, self.limits.call_s)

    def listen(self, *, begin: bool) -> None:
        """See `Session.listen`."""
        self._ask({"do": "listen", "begin": begin}, self.limits.call_s)

    def open(self, params: str, source_id: int = 0) -> Opened:
        """See `Session.open`."""
        slots = SlotSet(SLOTS)
        files = tuple(slot.file for slot in slots.slots)
        message = {"do": "open", "params": params, "source": source_id}
        answer = self._ask(message, self.limits.open_s, files=files)
        opened = Opened(answer["stream"], tuple(map(bytes.fromhex, answer["told"])))
        self._streams[opened.stream] = _Running(slots)
        return opened

    def next_events(self, stream: int) -> tuple[SlotContent, Filled]:
        """See `Session.next_events`."""
        with self._lock:
            running = self._streams[stream]
            numbers, filled = self._filled(stream, running, blocks=False)
            contents = [running.slots.take(number) for number in numbers]
            return contents[0] if len(contents) == 1 else SlotContent.joined(contents), filled

    def next_blocks(self, stream: int) -> tuple[EventBlocks, Filled]:
        """See `Session.next_blocks`."""
        with self._lock:
            running = self._streams[stream]
            numbers, filled = self._filled(stream, running, blocks=True)
            try:
                lent = [self._whole(running.slots.lend(number)) for number in numbers]
            except PluginError as error:
                return EventBlocks.joined(()), Filled(ended=True, error=bare_message(error))
            return lent[0] if len(lent) == 1 else EventBlocks.joined(lent), filled

    def _filled(self, stream: int, running: _Running, *, blocks: bool) -> tuple[list[int], Filled]:
        """The next slot that is filled, or all of them where the plugin failed, and what filling it came to."""
        # Slots but those that are looked at are being filled, so that neither process waits for the other.
        try:
            while len(running.filling) < _AHEAD and running.slots.free:
                self._fill(stream, running, blocks=blocks)
            answer = self._answer(running.filling[0][1], self.limits.call_s)
        except PluginError as error:
            # What had been put into slots by then is there, whether its arrival was told or not.
            left = [number for number, _ in running.filling]
            running.filling.clear()
            return left, Filled(ended=True, error=bare_message(error))
        asynchronous = tuple(map(bytes.fromhex, answer["asynchronous"]))
        progress = None if answer["progress"] is None else (answer["progress"][0], answer["progress"][1])
        number, _ = running.filling.popleft()
        return [number], Filled(answer["ended"], answer["error"], progress, asynchronous)

    def _fill(self, stream: int, running: _Running, *, blocks: bool) -> None:
        number = running.slots.free.popleft()
        running.slots.slots[number].clear()
        message = {"do": "fill", "stream": stream, "slot": number, "blocks": blocks}
        running.filling.append((number, self._send(message)))

    def _whole(self, blocks: EventBlocks) -> EventBlocks:
        """Blocks as counted, which they are unless the plugin wrote where it must not. Raises PluginError."""
        memory = ffi.from_buffer("char[]", blocks.data)
        size = compiled(self.declaration.api[0]).scap_blocks_size(memory, len(memory), blocks.events)
        if size < 0:
            raise PluginError("wrote over events it had given before", plugin=self.name)
        return blocks if size == len(blocks.data) else replace(blocks, data=blocks.data[:size])

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
                running.slots.close()

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

    def prepare(self, payloads: PayloadColumns, source_names: dict[int, str]) -> Sendable:
        """See `Session.prepare`."""
        return Sendable({"do": "prepare", "sources": source_names}, payloads)

    def prepare_events(self, events: WholeEvents) -> Sendable:
        """See `Session.prepare_events`."""
        return Sendable({"do": "prepare_events", "names": events.names}, events)

    def run_in_order(
        self, others: Sequence[Session], turns: Sequence[Turn], events: WholeEvents, changes: Sequence[Change]
    ) -> list[list[Extracted]]:
        """See `Session.run_in_order`."""
        with self._lock:
            self._prepared = None
            arrays = _arrays(events)
            for number, turn in enumerate(turns):
                arrays |= {f"parses {number}": turn.parses.view("u1"), f"extracts {number}": turn.extracts.view("u1")}
            message = {
                "do": "run_in_order",
                "others": [other.number for other in others if isinstance(other, ChildSession)],
                "turns": [[_told(request) for request in turn.requests] for turn in turns],
                "arrays": write_arrays(self._payload_file, arrays),
                "names": events.names,
                "changes": [change.to_json() for change in changes],
            }
            try:
                answers = self._ask(message, self.limits.call_s)["answers"]
            except PluginError as error:
                if not others or self._failure is None:
                    raise
                names = ", ".join(other.declaration.info.name for other in others)
                told = f"{bare_message(error)}, or one that runs beside it did: {names}"
                raise PluginError(told, plugin=self.name) from error
            data = os.pread(self._result_file, max((extent(each) for some in answers for each in some), default=0), 0)
            return [[Extracted(**read_arrays(data, each)) for each in some] for some in answers]

    def extract(self, prepared: Sendable, request: FieldRequest, rows: slice | None = None) -> Extracted:
        """See `Session.extract`."""
        with self._lock:
            if self._prepared is not prepared:
                arrays = write_arrays(self._payload_file, _arrays(prepared.columns))
                self._ask({**prepared.message, "arrays": arrays}, self.limits.call_s)
                self._prepared = prepared
            field = _told(request)
            first, last, _ = (rows or slice(None)).indices(len(prepared.columns))
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
            reason = _death(self._process.wait(_FAREWELL_SECONDS), self._current())
        self._failure = PluginError(reason, plugin=self.name)
        self._stop()
        self._channel.close()
        return self._failure

    def _stop(self) -> None:
        if self._beside is not None and self._failure is None:
            # The process is another's, who ends it.
            return
        if self._process.wait(0 if self._failure or self._doing else _FAREWELL_SECONDS) is None:
            self._process.kill()


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
    "serve": "starting",
    "release": "destroy",
    "listen": "capture_open or capture_close",
    "prepare": "reading payloads",
    "prepare_events": "reading events",
    "run_in_order": "parse_event or extract_fields",
    "extract": "extract_fields",
    "end": "destroy",
}


def _arrays(columns: PayloadColumns | WholeEvents) -> dict[str, NDArray[Any]]:
    return {name: getattr(columns, name) for name in type(columns).__slots__ if name != "names"}


def _told(request: FieldRequest) -> dict[str, Any]:
    return {name: getattr(request, name) for name in FieldRequest.__slots__}


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
