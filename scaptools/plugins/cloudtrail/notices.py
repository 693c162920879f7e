"""Queue messages: which objects they announce.

A message holds an SNS notification, and that either CloudTrail's notice of new log files or an S3 event. Names match
without regard to case. Where version 0.17.1 plainly slips, `announced` follows it only if ``official``:

=============================  =====================================  ====================
S3 event                       0.17.1                                 here
=============================  =====================================  ====================
keys are URL-encoded           taken as they stand, so not found      decoded
records of several buckets     all taken from the last one's bucket   each from its own
=============================  =====================================  ====================
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote_plus

from scaptools.errors import PluginError
from scaptools.plugins.cloudtrail.storage import Place

if TYPE_CHECKING:
    from collections.abc import Callable

_Reader: TypeAlias = "Callable[[dict[str, Any]], list[Place]]"


class BadMessageError(PluginError):
    """A queue message that announces nothing one could read."""


def announced(body: str, *, s3_events: bool, official: bool, plugin: str) -> list[Place]:
    """The objects a message announces, none where it is about something else. Raises BadMessageError."""
    try:
        return _announced(body, s3_events=s3_events, official=official)
    except _Unusable as error:
        raise BadMessageError(str(error), plugin=plugin, hint="sqsSkipBad passes over such messages") from error


def _announced(body: str, *, s3_events: bool, official: bool) -> list[Place]:
    envelope = _object(body, "an SQS message body")
    if envelope.get("type") != "Notification":
        raise _Unusable("received SQS message that was not a SNS Notification")
    message = _object(_text(envelope, "message"), "an SNS notification's message")
    return _event_objects(message, official=official) if s3_events else _notice_objects(message)


class _Unusable(Exception):  # noqa: N818 - never leaves this module
    """What is wrong with a message."""


def _notice_objects(message: dict[str, Any]) -> list[Place]:
    keys = _list(message, "s3objectkey")
    if not all(isinstance(key, str) for key in keys):
        raise _Unusable("received SQS message whose s3ObjectKey is not a list of strings")
    return _checked([Place(_text(message, "s3bucket"), key) for key in keys])


def _event_objects(message: dict[str, Any], *, official: bool) -> list[Place]:
    places = []
    for record in _list(message, "records"):
        storage = _member(record, "s3")
        bucket, key = (_text(_member(storage, part), name) for part, name in (("bucket", "name"), ("object", "key")))
        places.append(Place(bucket, key if official else unquote_plus(key)))
    if official:
        places = [Place(places[-1].bucket, place.key) for place in places]
    return _checked(places)


def _checked(places: list[Place]) -> list[Place]:
    if not all(place.bucket and place.key for place in places):
        raise _Unusable("received SQS message that announces an object without its bucket or key")
    return places


def _object(text: str, what: str) -> dict[str, Any]:
    """A JSON object with its names in lower case, on every level; of equal names the last counts."""
    try:
        value = json.loads(text, object_pairs_hook=lambda pairs: {name.casefold(): value for name, value in pairs})
    except (ValueError, RecursionError) as error:
        raise _Unusable(f"{what} is not JSON: {' '.join(text[:80].split())!r}") from error
    if not isinstance(value, dict):
        raise _Unusable(f"{what} is no JSON object")
    return value


def _member(value: Any, name: str) -> dict[str, Any]:
    inner = value.get(name) if isinstance(value, dict) else value
    if inner is None:
        return {}
    if not isinstance(inner, dict):
        raise _Unusable(f"received SQS message whose {name} is no object")
    return inner


def _list(value: dict[str, Any], name: str) -> list[Any]:
    inner = value.get(name)
    if inner is None:
        return []
    if not isinstance(inner, list):
        shown = "s3ObjectKey is not a list of strings" if name == "s3objectkey" else f"{name} is not a list"
        raise _Unusable(f"received SQS message whose {shown}")
    return inner


def _text(value: dict[str, Any], name: str) -> str:
    inner = value.get(name)
    if inner is None:
        return ""
    if not isinstance(inner, str):
        raise _Unusable(f"received SQS message whose {name} is no text")
    return inner
