"""The HTTP output: one POST for each alert, as Falcosidekick and others take them."""

from __future__ import annotations

import gzip
import http.client
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from scaptools.errors import OutputError
from scaptools.rules.outputs.delivery import Output, UndeliveredError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scaptools.rules.outputs.delivery import Message

_TIMEOUT_SECONDS = 10.0
#: Answers that say "later" rather than "no".
_RETRY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_MAX_ANSWER = 1 << 16


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """The keys of ``http_output`` in Falco's configuration."""

    url: str
    user_agent: str = "falcosecurity/falco"
    insecure: bool = False
    ca_cert: str = ""
    ca_bundle: str = ""
    ca_path: str = ""
    mtls: bool = False
    client_cert: str = ""
    client_key: str = ""
    echo: bool = False
    compress_uploads: bool = False
    keep_alive: bool = False
    max_consecutive_timeouts: int = 5


class HttpOutput(Output):
    """Posts alerts one by one; failures of the connection and answers of an overloaded server are tried again.

    An alert whose answer is lost on the way is sent again, so a receiver may get it twice, but not never.
    """

    name = "http"

    def __init__(
        self, settings: HttpSettings, *, json_output: bool, echo: Callable[[bytes], None] | None = None
    ) -> None:
        parts = urlsplit(settings.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise OutputError("no HTTP address", path=settings.url, hint="write http_output.url as http://HOST:PORT/")
        try:
            self._port = parts.port
        except ValueError as error:
            raise OutputError("the port is no number", path=settings.url) from error
        self._settings = settings
        self._host = parts.hostname
        self._secure = parts.scheme == "https"
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._echo = echo if settings.echo else None
        self._headers = {
            "Content-Type": "application/json" if json_output else "text/plain",
            "User-Agent": settings.user_agent,
            "Connection": "keep-alive" if settings.keep_alive else "close",
        }
        if settings.compress_uploads:
            self._headers["Content-Encoding"] = "gzip"
        self._context = _tls(settings) if self._secure else None
        self._connection: http.client.HTTPConnection | None = None
        self._timeouts = 0

    def send(self, messages: Sequence[Message]) -> None:
        """See `Output.send`."""
        for done, message in enumerate(messages):
            try:
                self._post(message.text)
            except UndeliveredError as error:
                raise UndeliveredError(error.reason, done=done, retry=error.retry) from error
            self._timeouts = 0

    def close(self) -> None:
        """See `Output.close`."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> http.client.HTTPConnection:
        if self._context is not None:
            return http.client.HTTPSConnection(self._host, self._port, timeout=_TIMEOUT_SECONDS, context=self._context)
        return http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_SECONDS)

    def _post(self, text: bytes) -> None:
        body = gzip.compress(text, mtime=0) if self._settings.compress_uploads else text
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.request("POST", self._path, body, self._headers)
            answer = self._connection.getresponse()
            content = answer.read(_MAX_ANSWER)
        except TimeoutError as error:
            self.close()
            self._timeouts += 1
            retry = self._timeouts <= self._settings.max_consecutive_timeouts
            raise UndeliveredError(f"{self._settings.url}: no answer in time", retry=retry) from error
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise UndeliveredError(f"{self._settings.url}: {error.verify_message}", retry=False) from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise UndeliveredError(f"{self._settings.url}: {reason}") from error
        if answer.will_close or not self._settings.keep_alive or not answer.isclosed():
            self.close()
        if not 200 <= answer.status < 300:
            raise UndeliveredError(
                f"{self._settings.url}: answered {answer.status} {answer.reason}",
                retry=answer.status in _RETRY_STATUSES,
            )
        if self._echo is not None:
            self._echo(content)


def _tls(settings: HttpSettings) -> ssl.SSLContext:
    """What certificates are checked against, and our own one. Raises OutputError."""
    try:
        if settings.insecure:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            authority = settings.ca_cert or settings.ca_bundle
            context = ssl.create_default_context(cafile=authority or None, capath=settings.ca_path or None)
        if settings.mtls:
            context.load_cert_chain(settings.client_cert, settings.client_key or None)
    except (OSError, ssl.SSLError) as error:
        raise OutputError(f"a certificate cannot be used: {error}", path=settings.url) from error
    return context
