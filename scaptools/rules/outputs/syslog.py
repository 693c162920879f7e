"""The syslog output: alerts to the local log, or to a server in the form of RFC 5424."""

from __future__ import annotations

import errno
import os
import socket
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from scaptools.errors import OutputError
from scaptools.rules.outputs.delivery import Output, UndeliveredError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scaptools.rules.outputs.delivery import Message

LOCAL_SOCKET = "/dev/log"
_FACILITY_USER = 1
_PORT = 514
_TIMEOUT_SECONDS = 10.0
_IDENT = "scap"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class SyslogOutput(Output):
    """Sends each alert with its own severity, facility user.

    ``address`` is ``unix:PATH``, ``udp://HOST[:PORT]`` or ``tcp://HOST[:PORT]``. A server gets RFC 5424, over TCP with
    the length in front of each message; a local socket gets what ``syslog(3)`` writes.
    """

    name = "syslog"
    _KINDS: ClassVar[Mapping[str, int]] = {
        "unix": socket.SOCK_DGRAM,
        "udp": socket.SOCK_DGRAM,
        "tcp": socket.SOCK_STREAM,
    }

    def __init__(self, address: str = f"unix:{LOCAL_SOCKET}", *, ident: str = _IDENT) -> None:
        parts = urlsplit(address)
        try:
            port = parts.port or _PORT
        except ValueError as error:
            raise OutputError("the port is no number", path=address) from error
        if parts.scheme not in self._KINDS or not (parts.path if parts.scheme == "unix" else parts.hostname):
            raise OutputError("no syslog address", path=address, hint="write unix:PATH, udp://HOST or tcp://HOST")
        self._scheme = parts.scheme
        self._target: str | tuple[str, int] = parts.path if parts.scheme == "unix" else (parts.hostname or "", port)
        self._address = address
        self._ident = ident
        self._socket: socket.socket | None = None

    def send(self, messages: Sequence[Message]) -> None:
        """See `Output.send`."""
        for done, message in enumerate(messages):
            try:
                if self._socket is None:
                    self._socket = self._connect()
                self._socket.sendall(self._framed(self._formatted(message)))
            except OSError as error:
                self.close()
                retry = error.errno != errno.EMSGSIZE
                raise UndeliveredError(f"{self._address}: {error.strerror or error}", done=done, retry=retry) from error

    def close(self) -> None:
        """See `Output.close`."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self) -> socket.socket:
        if isinstance(self._target, tuple):
            family, kind, protocol, _, place = socket.getaddrinfo(*self._target, type=self._KINDS[self._scheme])[0]
            connection = socket.socket(family, kind, protocol)
        else:
            place = self._target  # type: ignore[assignment]  # a path, for this family
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            connection.settimeout(_TIMEOUT_SECONDS)
            connection.connect(place)
        except OSError:
            connection.close()
            raise
        return connection

    def _formatted(self, message: Message) -> bytes:
        head = f"<{_FACILITY_USER * 8 + message.priority}>"
        if self._scheme == "unix":
            now = time.localtime()
            stamp = f"{_MONTHS[now.tm_mon - 1]} {now.tm_mday:2d} {now.tm_hour:02d}:{now.tm_min:02d}:{now.tm_sec:02d}"
            return f"{head}{stamp} {self._ident}[{os.getpid()}]: ".encode() + message.text
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        host = socket.gethostname() or "-"
        return f"{head}1 {stamp} {host} {self._ident} {os.getpid()} - - ".encode() + b"\xef\xbb\xbf" + message.text

    def _framed(self, data: bytes) -> bytes:
        return b"%d %b" % (len(data), data) if self._scheme == "tcp" else data
