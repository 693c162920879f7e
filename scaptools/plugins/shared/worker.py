"""The process a plugin runs in: it does what the other side of its socket asks, until that side is gone.

Its standard output is the other side's standard error, so that nothing a plugin prints mixes with data; and it ends as
soon as its socket closes, even while the plugin hangs.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import resource
import select
import signal
import socket
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from scap_formats.types import ParamType
from scaptools.errors import PluginError
from scaptools.plugins.shared.extraction import Extracted, FieldRequest
from scaptools.plugins.shared.messages import Channel, ClosedError, read_arrays, write_arrays
from scaptools.plugins.shared.payloads import PayloadColumns, WholeEvents
from scaptools.plugins.shared.session import LocalSession, bare_message
from scaptools.plugins.shared.slot import EventSlot

if TYPE_CHECKING:
    from collections.abc import Callable

_KIB: Final = 1024


class Worker:
    """One plugin at the service of another process; every method of ``ANSWERS`` answers one kind of message."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.session: LocalSession | None = None
        self.memory_bytes = sys.maxsize
        self.files: list[int] = []
        self._slots: dict[int, list[EventSlot]] = {}
        self._payloads = self._results = -1
        self._prepared: Any = None

    def serve(self, _message: dict[str, Any]) -> dict[str, Any]:
        """Serve another plugin in this process, over the channel that came along."""
        (file,) = self.files
        other = Worker(Channel(socket.socket(fileno=file)))
        threading.Thread(target=other.run_until_closed, name="scap-plugin", daemon=True).start()
        return {}

    def run_until_closed(self) -> None:
        """`run`, without a word once the other side is gone."""
        with contextlib.suppress(ClosedError):
            self.run()

    def run(self) -> None:
        """Answer until the other side is gone."""
        while True:
            message, self.files = self.channel.receive()
            try:
                answer = ANSWERS[message["do"]](self, message)
                self._check_memory()
            except PluginError as error:
                answer = {"error": bare_message(error), "hint": error.hint}
            self.channel.send(answer)

    def _check_memory(self) -> None:
        used = _resident_bytes()
        if used > self.memory_bytes:
            raise PluginError(f"uses {used >> 20} MiB of memory, more than {self.memory_bytes >> 20}", plugin="")

    @property
    def _loaded(self) -> LocalSession:
        if self.session is None:
            raise PluginError("is not loaded", plugin="")
        return self.session

    def load(self, message: dict[str, Any]) -> dict[str, Any]:
        """Load the library; its declaration."""
        self.memory_bytes = message["memory"]
        # Address space that is only reserved does not count, which runtimes with a garbage collector need.
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        limit = 2 * self.memory_bytes if most == resource.RLIM_INFINITY else min(2 * self.memory_bytes, most)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (limit, most))
        self._payloads, self._results = self.files
        self.session = LocalSession(message["path"])
        _SESSIONS.append(self.session)
        return {"declaration": self.session.declaration.to_json(), "number": len(_SESSIONS) - 1}

    def init(self, message: dict[str, Any]) -> dict[str, Any]:
        """Make the plugin's state."""
        return asdict(self._loaded.init(message["config"]))

    def release(self, _message: dict[str, Any]) -> dict[str, Any]:
        """Give up the plugin's state, to make it anew."""
        self._loaded.release()
        return {}

    def listen(self, message: dict[str, Any]) -> dict[str, Any]:
        """Tell the plugin that a capture begins or ends."""
        self._loaded.listen(begin=message["begin"])
        return {}

    def open(self, message: dict[str, Any]) -> dict[str, Any]:
        """Open a stream, whose events go into the slots that came along."""
        files = self.files
        opened = self._loaded.open(message["params"], message["source"])
        self._slots[opened.stream] = [EventSlot(file) for file in files]
        return {"stream": opened.stream, "told": [event.hex() for event in opened.told]}

    def fill(self, message: dict[str, Any]) -> dict[str, Any]:
        """Put a stream's next events into one of its slots."""
        slot = self._slots[message["stream"]][message["slot"]]
        filled = self._loaded.fill(message["stream"], slot, blocks=message["blocks"])
        self._check_memory()
        return {**asdict(filled), "asynchronous": [event.hex() for event in filled.asynchronous]}

    def close(self, message: dict[str, Any]) -> dict[str, Any]:
        """Give up a stream."""
        self._loaded.close(message["stream"])
        for slot in self._slots.pop(message["stream"], ()):
            slot.close()
        return {}

    def open_parameters(self, _message: dict[str, Any]) -> dict[str, Any]:
        """What the plugin suggests to open."""
        return {"parameters": [asdict(parameter) for parameter in self._loaded.open_parameters()]}

    def event_text(self, message: dict[str, Any]) -> dict[str, Any]:
        """Describe the payload in the shared memory."""
        return {"text": self._loaded.event_text(self._columns(message))}

    def prepare(self, message: dict[str, Any]) -> dict[str, Any]:
        """Get the payloads in the shared memory ready for extraction."""
        names = {int(number): name for number, name in message["sources"].items()}
        self._prepared = self._loaded.prepare(self._columns(message), names)
        return {}

    def prepare_events(self, message: dict[str, Any]) -> dict[str, Any]:
        """Get the complete events in the shared memory ready for extraction."""
        self._prepared = self._loaded.prepare_events(
            WholeEvents(**self._arrays(message), names=tuple(message["names"]))
        )
        return {}

    def run_in_order(self, message: dict[str, Any]) -> dict[str, Any]:
        """Have this plugin and others parse the events in the shared memory and extract from them, in turns."""
        from scaptools.plugins.shared.inorder import Turn
        from scaptools.plugins.shared.tables import Change

        arrays = self._arrays(message)
        turns = [
            Turn(
                arrays.pop(f"parses {number}").view("?"),
                arrays.pop(f"extracts {number}").view("?"),
                tuple(map(_request, requests)),
            )
            for number, requests in enumerate(message["turns"])
        ]
        others = [_SESSIONS[number] for number in message["others"]]
        events = WholeEvents(**arrays, names=tuple(message["names"]))
        changes = [Change.from_json(change) for change in message["changes"]]
        answers = self._loaded.run_in_order(others, turns, events, changes)
        columns = {
            (turn, place, name): getattr(answer, name)
            for turn, some in enumerate(answers)
            for place, answer in enumerate(some)
            for name in Extracted.__slots__
        }
        described = write_arrays(self._results, columns)
        return {
            "answers": [
                [{name: described[turn, place, name] for name in Extracted.__slots__} for place in range(len(some))]
                for turn, some in enumerate(answers)
            ]
        }

    def extract(self, message: dict[str, Any]) -> dict[str, Any]:
        """Extract a field of some of the prepared payloads into the shared memory."""
        request = _request(message["field"])
        first, last = message["rows"]
        extracted = self._loaded.extract(self._prepared, request, slice(first, last))
        return {"arrays": write_arrays(self._results, {name: getattr(extracted, name) for name in Extracted.__slots__})}

    def end(self, _message: dict[str, Any]) -> dict[str, Any]:
        """Give up the plugin's state."""
        if self.session is not None:
            self.session.end()
        return {}

    def _columns(self, message: dict[str, Any]) -> PayloadColumns:
        return PayloadColumns(**self._arrays(message))

    def _arrays(self, message: dict[str, Any]) -> dict[str, Any]:
        # The map outlives this call through the arrays over it.
        return read_arrays(mmap.mmap(self._payloads, 0), message["arrays"])


#: The plugins of this process, by number.
_SESSIONS: Final[list[LocalSession]] = []


def _request(told: dict[str, Any]) -> FieldRequest:
    return FieldRequest(**{**told, "type": ParamType(told["type"])})


#: What can be asked, by name.
ANSWERS: Final[dict[str, Callable[[Worker, dict[str, Any]], dict[str, Any]]]] = {
    "load": Worker.load,
    "serve": Worker.serve,
    "init": Worker.init,
    "release": Worker.release,
    "listen": Worker.listen,
    "open": Worker.open,
    "fill": Worker.fill,
    "close": Worker.close,
    "open_parameters": Worker.open_parameters,
    "event_text": Worker.event_text,
    "prepare": Worker.prepare,
    "prepare_events": Worker.prepare_events,
    "run_in_order": Worker.run_in_order,
    "extract": Worker.extract,
    "end": Worker.end,
}


def _resident_bytes() -> int:
    """The memory this process has in use."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        # Elsewhere there is only the most it ever was, which counts what the process was started from.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB
    return pages * resource.getpagesize()


def _end_with(end: socket.socket) -> None:
    """End this process when the socket's other end closes, whatever the plugin is doing."""
    poller = select.poll()
    poller.register(end, select.POLLRDHUP | select.POLLHUP)
    poller.poll()
    os._exit(0)


def main() -> None:
    """Serve the socket whose descriptor is the first argument."""
    serve(int(sys.argv[1]))


def serve(file: int) -> NoReturn:
    """Serve a socket until it closes, and end this process."""
    end = socket.socket(fileno=file)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.Thread(target=_end_with, args=(end,), daemon=True).start()
    Worker(Channel(end)).run_until_closed()
    # Threads of the plugin must not keep this process.
    os._exit(0)


if __name__ == "__main__":
    main()
