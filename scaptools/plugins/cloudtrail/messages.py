"""A queue as a place of log files: messages announce objects, for as long as somebody reads.

Each message is received alone and, unless that is switched off, deleted before it is looked at; so one that is no use
does not come back, and one whose objects cannot be read is lost. Without deletion it comes back, and its events with
it. The queue is waited at, where version 0.17.1 asks again at once.
"""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from scaptools.errors import PluginError
from scaptools.plugins.cloudtrail.ahead import in_order
from scaptools.plugins.cloudtrail.aws import AwsAccess, MissingObjectError
from scaptools.plugins.cloudtrail.bucket import threads_of
from scaptools.plugins.cloudtrail.files import LogFiles
from scaptools.plugins.cloudtrail.notices import BadMessageError, announced
from scaptools.plugins.cloudtrail.storage import Place, Storage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scaptools.plugins.cloudtrail.config import Config
    from scaptools.plugins.cloudtrail.files import LogFile

QUEUE_SCHEME: Final = "sqs://"
#: Seconds a request waits for a message; the most SQS allows.
_WAIT_SECONDS: Final = 20
#: Seconds between two requests where the queue's own setting rules and may be not to wait.
_PAUSE_SECONDS: Final = 0.1


class QueueFiles(LogFiles):
    """The log files that messages of ``sqs://QUEUE`` announce; there is no end to them."""

    def __init__(self, params: str, config: Config, *, plugin: str) -> None:
        """Finds the queue and receives a first message, without looking at it. Raises PluginError."""
        name = params.removeprefix(QUEUE_SCHEME)
        if not name:
            raise PluginError(f"{params} names no queue", plugin=plugin, hint="give sqs://QUEUE")
        self._plugin = plugin
        self._config = config
        self._name = name
        self._threads = threads_of(config, plugin=plugin)
        self._closed = threading.Event()
        #: Objects announced so far, and messages and objects passed over.
        self._announced = self.skipped = 0
        self._access = AwsAccess(config.aws, connections=self._threads, plugin=plugin)
        self._queue = self._access.client("sqs")
        owner = {"QueueOwnerAWSAccountId": config.queue_owner} if config.queue_owner else {}
        with self._access.explained(f"cannot open queue {name}"):
            self._url = self._queue.get_queue_url(QueueName=name, **owner)["QueueUrl"]
        self._storage = Storage(self._access, plugin=plugin)
        self._first = self._received(0)

    @property
    def known(self) -> int:
        """Objects announced so far."""
        return self._announced

    def __iter__(self) -> Iterator[LogFile | None]:
        """The objects of one message after the other, None before each wait for one. Raises PluginError."""
        message = self._first
        while not self._closed.is_set():
            if message is not None:
                yield from self._files_of(message)
            yield None
            if message is None and self._config.official_quirks:
                self._closed.wait(_PAUSE_SECONDS)
            if self._closed.is_set():
                return
            message = self._received(None if self._config.official_quirks else _WAIT_SECONDS)

    def _received(self, wait: int | None) -> dict[str, Any] | None:
        """A message, None if there is none after ``wait`` seconds (None: as many as the queue is set to)."""
        options = {} if wait is None else {"WaitTimeSeconds": wait}
        with self._access.explained(f"cannot receive from queue {self._name}"):
            answer = self._queue.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=1, MessageAttributeNames=["All"], **options
            )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages[0] if messages else None

    def _files_of(self, message: dict[str, Any]) -> Iterator[LogFile]:
        if self._closed.is_set():  # not deleted, so it comes back for another reader
            return
        if self._config.delete_messages:
            with self._access.explained(f"cannot delete a message from queue {self._name}"):
                self._queue.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        try:
            places = announced(
                message.get("Body", ""),
                s3_events=self._config.s3_notifications,
                official=self._config.official_quirks,
                plugin=self._plugin,
            )
        except BadMessageError:
            if not self._config.skip_bad_messages:
                raise
            self.skipped += 1
            return
        self._announced += len(places)
        files = in_order(self._read, places, threads=self._threads)
        with closing(files):
            for file in files:
                self.opened += 1
                if file is None:
                    self.skipped += 1
                else:
                    yield file

    def _read(self, place: Place) -> LogFile | None:
        try:
            return self._storage.read(place)
        except MissingObjectError:
            if not self._config.skip_bad_messages:
                raise
            return None

    def close(self) -> None:
        """Receive nothing more."""
        self._closed.set()
        self._storage.close()
