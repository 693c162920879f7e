"""Objects in S3: which there are, and their bytes."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from scaptools.errors import PluginError
from scaptools.plugins.cloudtrail.files import MAX_UNZIPPED, LogFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scaptools.plugins.cloudtrail.aws import AwsAccess

#: Most bytes an object may have; the same as for what is in it.
MAX_OBJECT: Final = MAX_UNZIPPED
#: Longest wait between two attempts, in seconds.
_LONGEST_WAIT: Final = 20.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object is, and how many bytes it has as far as that is known."""

    bucket: str
    key: str
    size: int = 0

    def __str__(self) -> str:
        """The object's address."""
        return f"s3://{self.bucket}/{self.key}"


class Storage:
    """Buckets, read only. Methods may be called by several threads at a time, and raise PluginError."""

    def __init__(self, access: AwsAccess, *, plugin: str) -> None:
        self._access = access
        self._client = access.client("s3")
        self._plugin = plugin
        self._closed = threading.Event()

    def close(self) -> None:
        """Let nothing be tried again."""
        self._closed.set()

    def objects(self, bucket: str, prefix: str, start_after: str = "") -> list[Place]:
        """All objects whose keys begin with ``prefix`` and come behind ``start_after``, in the order of the keys."""
        return [
            Place(bucket, entry["Key"], entry["Size"])
            for page in self._pages(bucket, prefix, StartAfter=start_after)
            for entry in page.get("Contents", ())
        ]

    def folders(self, bucket: str, prefix: str, *, first_page: bool = False) -> list[str]:
        """What keys that begin with ``prefix`` have up to the next slash, each once; or those of the first page."""
        found: list[str] = []
        for page in self._pages(bucket, prefix, Delimiter="/"):
            found.extend(entry["Prefix"] for entry in page.get("CommonPrefixes", ()))
            if first_page:
                break
        return found

    def _pages(self, bucket: str, prefix: str, **options: str) -> Iterator[dict[str, Any]]:
        paginator = self._client.get_paginator("list_objects_v2")
        with self._access.explained(f"cannot list {Place(bucket, prefix)}"):
            yield from paginator.paginate(Bucket=bucket, Prefix=prefix, **{k: v for k, v in options.items() if v})

    def read(self, place: Place) -> LogFile:
        """An object. Raises MissingObjectError where it is not there.

        The SDK makes a request again that fails, but not one whose answer breaks off; that is done here.
        """
        from botocore.exceptions import BotoCoreError

        with self._access.explained(f"cannot read {place}"):
            for attempt in range(1, self._access.attempts + 1):
                answer = self._client.get_object(Bucket=place.bucket, Key=place.key)
                size = answer["ContentLength"]
                if size > MAX_OBJECT:
                    answer["Body"].close()
                    raise PluginError(f"{place} has {size} bytes, more than {MAX_OBJECT}", plugin=self._plugin)
                try:
                    return LogFile(str(place), answer["Body"].read())
                except BotoCoreError:
                    wait = min(_LONGEST_WAIT, random.random() * 2**attempt)  # noqa: S311 - spreads load, no secret
                    if attempt == self._access.attempts or self._closed.wait(wait):
                        raise
        raise AssertionError("there is at least one attempt")
