"""Outputs that fail, and what becomes of alerts then."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from scaptools.errors import OutputError
from scaptools.rules.outputs import delivery
from scaptools.rules.outputs.delivery import Message, Output, Outputs, Pace, UndeliveredError, Worker
from scaptools.rules.outputs.file import FileOutput
from scaptools.rules.outputs.http import HttpOutput, HttpSettings
from scaptools.rules.outputs.program import ProgramOutput
from scaptools.rules.outputs.syslog import SyslogOutput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

MESSAGES = [Message(b"alert %d" % number, number % 8) for number in range(5)]
TEXTS = [message.text for message in MESSAGES]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "Pace", lambda: Pace(first=0.01, longest=0.05))


class Flaky(Output):
    """Fails as often as it is told to, after so many messages."""

    name = "flaky"

    def __init__(self, *failures: UndeliveredError | Exception) -> None:
        self.failures = list(failures)
        self.taken: list[bytes] = []

    def send(self, messages: Sequence[Message]) -> None:
        if not self.failures:
            self.taken += [message.text for message in messages]
            return
        failure = self.failures.pop(0)
        if isinstance(failure, UndeliveredError):
            self.taken += [message.text for message in messages[: failure.done]]
        raise failure


def test_failures_are_tried_again_from_where_they_were() -> None:
    output = Flaky(UndeliveredError("down", done=2), UndeliveredError("down"), UndeliveredError("down", done=1))
    worker = Worker(output)
    worker.send(MESSAGES)
    report = worker.close()
    assert output.taken == TEXTS
    assert (report.delivered, report.lost, report.retries, report.reason) == (5, 0, 3, "down")
    assert str(report) == "flaky: 5 delivered, 3 retries (down)"


def test_what_cannot_help_is_not_tried_again() -> None:
    lost: list[Message] = []
    output = Flaky(UndeliveredError("refused", done=1, retry=False))
    worker = Worker(output, undelivered=lost.extend)
    worker.send(MESSAGES)
    report = worker.close()
    assert output.taken == [TEXTS[0], *TEXTS[2:]]
    assert lost == [MESSAGES[1]]
    assert (report.delivered, report.lost, report.retries) == (4, 1, 0)


def test_any_exception_counts_as_a_failure() -> None:
    worker = Worker(Flaky(ValueError("surprise")))
    worker.send(MESSAGES)
    report = worker.close()
    assert (report.delivered, report.lost, report.reason) == (4, 1, "ValueError: surprise")


def test_patience_ends_and_comes_back() -> None:
    lost: list[Message] = []
    down = [UndeliveredError("down") for _ in range(2)]
    output = Flaky(*down)
    worker = Worker(output, patience=0, undelivered=lost.extend)
    worker.send(MESSAGES[:2])
    worker.send(MESSAGES[2:3])
    worker.send(MESSAGES[3:])
    report = worker.close()
    assert [message.text for message in lost] == TEXTS[:3]
    assert output.taken == TEXTS[3:]
    assert (report.delivered, report.lost) == (2, 3)


def test_hurry_ends_waiting() -> None:
    class Down(Output):
        name = "down"

        def send(self, messages: Sequence[Message]) -> None:
            raise UndeliveredError("down")

    worker = Worker(Down(), patience=1000)
    worker.send(MESSAGES)
    time.sleep(0.05)
    worker.hurry()
    report = worker.close()
    assert (report.delivered, report.lost) == (0, 5)


def test_outages_are_reported_once() -> None:
    said: list[str] = []
    output = Flaky(*[UndeliveredError("down") for _ in range(4)])
    worker = Worker(output, report_after=0, notify=said.append)
    worker.send(MESSAGES)
    worker.close()
    assert said == ["flaky output: down; trying again"]


def test_a_full_queue_drops_and_counts() -> None:
    gate = threading.Event()

    class Slow(Output):
        name = "slow"

        def send(self, messages: Sequence[Message]) -> None:
            gate.wait(10)

    worker = Worker(Slow(), capacity=3)
    worker.send(MESSAGES)
    worker.send(MESSAGES)
    gate.set()
    report = worker.close()
    assert (report.delivered, report.dropped) == (3, 7)


def test_without_capacity_the_sender_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_QUEUE_BYTES", 10)
    output = Flaky()
    outputs = Outputs([Worker(output)])
    for message in MESSAGES * 20:
        outputs.send([message])
    (report,) = outputs.close()
    assert output.taken == TEXTS * 20
    assert report.delivered == 100


@pytest.mark.parametrize("keep_alive", [False, True])
def test_files_are_appended_to(tmp_path: Path, *, keep_alive: bool) -> None:
    path = tmp_path / "alerts"
    path.write_bytes(b"before\n")
    worker = Worker(FileOutput(str(path), keep_alive=keep_alive))
    worker.send(MESSAGES[:2])
    worker.send(MESSAGES[2:])
    assert worker.close().delivered == 5
    assert path.read_bytes().splitlines() == [b"before", *TEXTS]


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    worker = Worker(FileOutput(str(tmp_path / "missing" / "alerts")), patience=0)
    worker.send(MESSAGES)
    report = worker.close()
    assert (report.lost, report.reason) == (5, f"{tmp_path}/missing/alerts: No such file or directory")


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "alerts"
    write = os.write
    room = [20, 0, 0, 1000]

    def limited(descriptor: int, data: memoryview) -> int:
        part = min(room[0], len(data))
        if not part:
            room.pop(0)
            raise OSError(errno.ENOSPC, "No space left on device")
        room[0] -= part
        if not room[0]:
            room.pop(0)
        return write(descriptor, data[:part])

    monkeypatch.setattr("scaptools.rules.outputs.file.os.write", limited)
    worker = Worker(FileOutput(str(path)))
    worker.send(MESSAGES)
    report = worker.close()
    monkeypatch.undo()
    assert (report.delivered, report.lost) == (5, 0)
    assert report.retries >= 2
    whole = [line for line in path.read_bytes().splitlines() if line in TEXTS]
    assert whole == TEXTS


@pytest.mark.parametrize("keep_alive", [False, True])
def test_programs_read_alerts(tmp_path: Path, *, keep_alive: bool) -> None:
    path = tmp_path / "alerts"
    worker = Worker(ProgramOutput(f"echo start >> {path}; cat >> {path}", keep_alive=keep_alive))
    worker.send(MESSAGES)
    assert worker.close().delivered == 5
    found = path.read_bytes().splitlines()
    assert [line for line in found if line != b"start"] == TEXTS
    assert found.count(b"start") == (1 if keep_alive else 5)


def test_a_program_that_ends_is_started_again(tmp_path: Path) -> None:
    path = tmp_path / "alerts"
    worker = Worker(ProgramOutput(f"head -n 1 >> {path}", keep_alive=True))
    for message in MESSAGES:
        worker.send([message])
        time.sleep(0.1)
    report = worker.close()
    assert (report.delivered, report.lost) == (5, 0)
    assert path.read_bytes().splitlines() == TEXTS


def test_a_program_that_fails_is_lost_and_counted() -> None:
    worker = Worker(ProgramOutput("cat > /dev/null; exit 3"))
    worker.send(MESSAGES)
    report = worker.close()
    assert (report.delivered, report.lost) == (0, 5)
    assert report.reason == "cat > /dev/null; exit 3: ended with status 3"


def test_what_a_program_left_unread_goes_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "alerts"
    worker = Worker(ProgramOutput(f"head -c 16 >> {path}", keep_alive=True))  # two alerts
    for message in MESSAGES:
        worker.send([message])
    report = worker.close()
    assert path.read_bytes().splitlines() == TEXTS
    assert (report.delivered, report.lost) == (5, 0)


def test_an_alert_read_in_part_goes_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "alerts"
    first = f"test -e {path} && exec cat >> {path}; head -c 12 >> {path}; echo >> {path}"
    worker = Worker(ProgramOutput(first, keep_alive=True))
    worker.send(MESSAGES)
    report = worker.close()
    assert path.read_bytes().splitlines() == [TEXTS[0], TEXTS[1][:4], *TEXTS[1:]]
    assert (report.delivered, report.lost) == (5, 0)


@pytest.mark.parametrize("status", [0, 3])
def test_a_program_that_reads_nothing_is_told_and_its_alerts_are_kept(status: int) -> None:
    kept: list[Message] = []
    worker = Worker(ProgramOutput(f"exit {status}", keep_alive=True), patience=0.1, undelivered=kept.extend)
    worker.send(MESSAGES)
    report = worker.close()
    assert sorted(kept, key=lambda message: message.text) == MESSAGES
    assert (report.delivered, report.lost) == (0, 5)
    assert f"ended with status {status}" in report.reason


def test_a_program_that_does_not_read_for_a_while_gets_everything(tmp_path: Path) -> None:
    path = tmp_path / "alerts"
    many = [Message(b"%04d" % number + b"x" * 1000, 1) for number in range(200)]
    worker = Worker(ProgramOutput(f"sleep 0.3; cat >> {path}", keep_alive=True))
    worker.send(many)
    report = worker.close()
    assert path.read_bytes().splitlines() == [message.text for message in many]
    assert (report.delivered, report.lost, report.retries) == (200, 0, 0)


class Receiver(ThreadingHTTPServer):
    """Keeps what is posted; answers with the statuses it is told to, then with 200."""

    def __init__(self, port: int = 0, statuses: Sequence[int] = ()) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.statuses = list(statuses)
        self.bodies: list[bytes] = []
        self.heads: list[dict[str, str]] = []
        self.open_connections: list[socket.socket] = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open_connections.append(request)
        super().process_request(request, client_address)

    def end(self) -> None:
        """Refuse connections from now on, and break those there are."""
        self.shutdown()
        self.server_close()
        for connection in self.open_connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/alerts?x=1"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if status == 0:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if status == 200:
            self.server.bodies.append(body)
            self.server.heads.append({"path": self.path, **dict(self.headers)})
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args: object) -> None:
        pass


@contextlib.contextmanager
def receiving(port: int = 0, statuses: Sequence[int] = ()) -> Iterator[Receiver]:
    receiver = Receiver(port, statuses)
    try:
        yield receiver
    finally:
        receiver.shutdown()
        receiver.server_close()


@pytest.mark.parametrize("keep_alive", [False, True])
def test_http(*, keep_alive: bool) -> None:
    echoed: list[bytes] = []
    with receiving() as receiver:
        settings = HttpSettings(receiver.url, keep_alive=keep_alive, echo=True)
        worker = Worker(HttpOutput(settings, json_output=True, echo=echoed.append))
        worker.send(MESSAGES)
        assert worker.close().delivered == 5
    assert receiver.bodies == TEXTS
    assert echoed == [b"ok"] * 5
    assert {head["path"] for head in receiver.heads} == {"/alerts?x=1"}
    assert {head["User-Agent"] for head in receiver.heads} == {"falcosecurity/falco"}
    assert {head["Content-Type"] for head in receiver.heads} == {"application/json"}


def test_http_compressed() -> None:
    with receiving() as receiver:
        settings = HttpSettings(receiver.url, compress_uploads=True, user_agent="u")
        worker = Worker(HttpOutput(settings, json_output=False))
        worker.send(MESSAGES)
        worker.close()
    assert [gzip.decompress(body) for body in receiver.bodies] == TEXTS
    assert {head["Content-Encoding"] for head in receiver.heads} == {"gzip"}
    assert {head["Content-Type"] for head in receiver.heads} == {"text/plain"}


@pytest.mark.parametrize("keep_alive", [False, True])
def test_http_with_errors_and_broken_connections(*, keep_alive: bool) -> None:
    with receiving(statuses=[503, 200, 0, 0, 429, 200, 500, 200, 200]) as receiver:
        worker = Worker(HttpOutput(HttpSettings(receiver.url, keep_alive=keep_alive), json_output=True))
        worker.send(MESSAGES)
        report = worker.close()
    assert receiver.bodies == TEXTS
    assert (report.delivered, report.lost, report.retries) == (5, 0, 5)


def test_http_that_says_no() -> None:
    with receiving(statuses=[200, 400]) as receiver:
        worker = Worker(HttpOutput(HttpSettings(receiver.url), json_output=True))
        worker.send(MESSAGES)
        report = worker.close()
    assert receiver.bodies == [TEXTS[0], *TEXTS[2:]]
    assert (report.delivered, report.lost) == (4, 1)
    assert report.reason == f"{receiver.url}: answered 400 Bad Request"


def test_http_receiver_that_is_down_for_a_while() -> None:
    with receiving() as receiver:
        port = receiver.server_address[1]
    worker = Worker(HttpOutput(HttpSettings(f"http://127.0.0.1:{port}/"), json_output=True))
    worker.send(MESSAGES)
    time.sleep(0.3)
    with receiving(port) as receiver:
        report = worker.close()
        assert receiver.bodies == TEXTS
    assert (report.delivered, report.lost) == (5, 0)
    assert report.retries > 3


class Outage(Pace):
    """Time in which waiting takes none; ``events`` are called once their second has come."""

    def __init__(self, events: dict[float, Callable[[], None]]) -> None:
        super().__init__()
        self.seconds = 0.0
        self.events = events

    def now(self) -> float:
        return self.seconds

    def wait(self, seconds: float, hurry: threading.Event) -> None:
        self.seconds += seconds
        for second in [second for second in self.events if second <= self.seconds]:
            self.events.pop(second)()


@pytest.mark.parametrize("keep_alive", [False, True])
def test_an_outage_of_half_a_minute_loses_nothing(*, keep_alive: bool) -> None:
    """The receiver answers, refuses connections for 30 seconds, and comes back at the same port."""
    said: list[str] = []
    with contextlib.ExitStack() as stack, receiving() as first:
        port = first.server_address[1]
        again: list[Receiver] = []

        def back() -> None:
            again.append(stack.enter_context(receiving(port)))

        pace = Outage({30: back})
        output = HttpOutput(HttpSettings(first.url, keep_alive=keep_alive), json_output=True)
        worker = Worker(output, notify=said.append, pace=pace)
        worker.send(MESSAGES[:2])
        while len(first.bodies) < 2:
            time.sleep(0.001)
        first.end()
        for message in MESSAGES[2:] * 8:
            worker.send([message])
        report = worker.close()
        assert 30 <= pace.seconds < 33
        assert first.bodies + again[0].bodies == TEXTS[:2] + TEXTS[2:] * 8
    assert (report.delivered, report.lost, report.dropped) == (26, 0, 0)
    assert report.retries > 15
    assert len(said) == 1


def test_an_outage_beyond_patience_is_told_and_kept() -> None:
    kept: list[Message] = []
    with receiving() as receiver:
        url = receiver.url
    pace = Outage({})
    worker = Worker(HttpOutput(HttpSettings(url), json_output=True), patience=60, undelivered=kept.extend, pace=pace)
    worker.send(MESSAGES)
    report = worker.close()
    assert 60 <= pace.seconds < 63
    assert kept == MESSAGES
    assert (report.delivered, report.lost) == (0, 5)
    assert "Connection refused" in report.reason


@pytest.mark.parametrize("url", ["ftp://x/", "http:///x", "http://h:x/", "nonsense"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(OutputError):
        HttpOutput(HttpSettings(url), json_output=True)


def test_certificates_that_are_missing(tmp_path: Path) -> None:
    settings = HttpSettings("https://127.0.0.1/", ca_cert=str(tmp_path / "none.pem"))
    with pytest.raises(OutputError, match="a certificate cannot be used"):
        HttpOutput(settings, json_output=True)


@pytest.mark.parametrize("insecure", [False, True])
def test_https_to_something_else(*, insecure: bool) -> None:
    with receiving() as receiver:
        settings = HttpSettings(receiver.url.replace("http:", "https:"), insecure=insecure)
        worker = Worker(HttpOutput(settings, json_output=True), patience=0)
        worker.send(MESSAGES)
        report = worker.close()
    assert (report.delivered, report.lost) == (0, 5)
    assert receiver.bodies == []


def test_timeouts_are_limited_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scaptools.rules.outputs.http._TIMEOUT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        worker = Worker(HttpOutput(HttpSettings(url, max_consecutive_timeouts=2), json_output=True))
        worker.send(MESSAGES[:1])
        report = worker.close()
    assert (report.lost, report.retries, report.reason) == (1, 2, f"{url}: no answer in time")


def test_syslog_over_udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        worker = Worker(SyslogOutput(f"udp://127.0.0.1:{server.getsockname()[1]}"))
        worker.send(MESSAGES)
        found = [server.recv(1000) for _ in MESSAGES]
        worker.close()
    for number, (message, data) in enumerate(zip(MESSAGES, found, strict=True)):
        head, _, text = data.partition(b"\xef\xbb\xbf")
        assert text == message.text
        fields = head.decode().split(" ")
        assert fields[0] == f"<{8 + number}>1"
        assert fields[1].endswith("Z")
        assert fields[2:] == [socket.gethostname(), "scap", str(os.getpid()), "-", "-", ""]


def test_syslog_over_tcp_has_lengths() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        worker = Worker(SyslogOutput(f"tcp://127.0.0.1:{server.getsockname()[1]}"))
        worker.send(MESSAGES)
        connection, _ = server.accept()
        worker.close()
        with connection:
            data = b"".join(iter(lambda: connection.recv(4096), b""))
    texts = []
    while data:
        length, _, data = data.partition(b" ")
        texts.append(data[: int(length)].partition(b"\xef\xbb\xbf")[2])
        data = data[int(length) :]
    assert texts == TEXTS


def test_local_syslog(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(path))
        worker = Worker(SyslogOutput(f"unix:{path}"))
        worker.send(MESSAGES[4:])
        data = server.recv(1000)
        worker.close()
    assert data.startswith(b"<12>")
    assert data.endswith(b" scap[%d]: alert 4" % os.getpid())


def test_syslog_that_is_not_there(tmp_path: Path) -> None:
    worker = Worker(SyslogOutput(f"unix:{tmp_path}/none"), patience=0)
    worker.send(MESSAGES)
    report = worker.close()
    assert (report.lost, report.reason) == (5, f"unix:{tmp_path}/none: No such file or directory")


@pytest.mark.parametrize("address", ["host", "http://host", "udp://", "tcp://h:x", "unix:"])
def test_syslog_addresses_that_are_none(address: str) -> None:
    with pytest.raises(OutputError):
        SyslogOutput(address)
