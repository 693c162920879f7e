"""The container.* fields: which container a thread is in, and what is known about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from scap_formats.types import ParamType, PrintFormat
from scaptools.columns import Coded, Column, Numbers, Rows, Texts
from scaptools.errors import FormatError
from scaptools.fields.model import Cost, Field, FieldArgument
from scaptools.fields.thread import number_field, text_field
from scaptools.state.engine import state_of
from scaptools.state.timeline import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from scaptools.capture.batch import EventBatch
    from scaptools.fields.model import Extract
    from scaptools.state.containers import Container, Mount
    from scaptools.state.thread import Thread

#: What id, name and type are outside all containers.
HOST = b"host"


def _id(thread: Thread) -> bytes:
    return thread.container or HOST


def _start(thread: Thread) -> int:
    return thread.pidns_init_start_ts


def _text(of: Callable[[Container], str | None], *, on_host: bytes | None = None) -> Extract:
    """A text of the container's description; ``on_host`` is what threads outside all containers have."""

    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
        state = state_of(batch)
        found = state.container_of(rows)
        values = [_encoded(of(container)) for container in state.containers]
        if on_host is None:
            return Coded(found, Texts.of(values))
        threads = state.threads(rows)
        on_the_host = state.flags(_is_on_host)
        if len(on_the_host):
            found = np.where((threads != ABSENT) & on_the_host[threads], len(values), found)
        return Coded(found, Texts.of([*values, on_host]))

    return extract


def _is_on_host(thread: Thread) -> bool:
    return not thread.container


def _encoded(value: str | None) -> bytes | None:
    return None if value is None else value.encode()


def _flag(of: Callable[[Container], bool | None]) -> Extract:
    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
        state = state_of(batch)
        values = [of(container) for container in state.containers]
        numbers = Numbers(
            np.array([value is True for value in values], bool), np.array([value is not None for value in values], bool)
        )
        return Coded(state.container_of(rows), numbers)

    return extract


def _mounts(container: Container) -> str:
    return ",".join(mount.text() for mount in container.mounts)


def _labels(container: Container) -> str:
    shown = ((key, value) for key, value in container.labels if not key.startswith(_HIDDEN_LABELS))
    return ", ".join(f"{key}:{value}" if value else key for key, value in shown)


_HIDDEN_LABELS = ("annotation.", "io.kubernetes.")


def _parse_mount(text: str) -> int | re.Pattern[str]:
    if text.isdigit():
        return int(text)
    try:
        return re.compile(text)
    except re.error as error:
        raise FormatError(f"{text} is neither the number of a mount nor a regular expression: {error}") from error


def _mount(matched: str, value: Callable[[Mount], str]) -> Extract:
    """A part of one mount: the one at an index, or the first whose ``matched`` attribute fits a pattern."""

    def pick(container: Container, wanted: int | re.Pattern[str]) -> str | None:
        mounts = container.mounts
        if isinstance(wanted, int):
            return value(mounts[wanted]) if wanted < len(mounts) else None
        return next((value(mount) for mount in mounts if wanted.search(getattr(mount, matched))), None)

    def extract(batch: EventBatch, rows: Rows, wanted: int | re.Pattern[str]) -> Column:
        return _text(lambda container: pick(container, wanted))(batch, rows, None)

    return extract


def label_column(batch: EventBatch, rows: Rows, name: str) -> Column:
    """One label of each event's container."""
    return _text(lambda container: dict(container.labels).get(name))(batch, rows, None)


def _parse_label(text: str) -> str:
    if not text:
        raise FormatError("a label needs a name", hint="write container.label[NAME]")
    return text


def _probe(name: str) -> Extract:
    return _text(lambda container: container.probes.get(name, "NONE"))


def _duration(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    state = state_of(batch)
    start = state.number_column(state.threads(rows), _start, 0)
    elapsed = batch.header("ts", rows).astype(np.int64) - start.values
    return Numbers(elapsed.astype(np.uint64), start.valid)


def _field(name: str, description: str, extract: Extract, argument: FieldArgument | None = None) -> Field:
    return Field(name, ParamType.CHARBUF, description, extract, argument=argument, cost=Cost.STATE)


_MOUNT = FieldArgument(_parse_mount, required=True, form="[N] or [REGEX]")

CONTAINER_FIELDS = (
    text_field("container.id", "The short id of the container, or host.", _id),
    _field("container.full_id", "The full id of the container, or host.", _text(lambda c: c.full_id, on_host=HOST)),
    _field("container.name", "The name of the container, or host.", _text(lambda c: c.name, on_host=HOST)),
    _field("container.image", "The image the container was made from.", _text(lambda c: c.image)),
    _field("container.image.id", "The id of the container's image.", _text(lambda c: c.image_id)),
    _field("container.type", "The engine that runs the container, or host.", _text(lambda c: c.type, on_host=HOST)),
    *(
        Field(name, ParamType.BOOL, description, _flag(of), cost=Cost.STATE)
        for name, description, of in (
            ("container.privileged", "Whether the container is privileged.", lambda c: c.privileged),
            ("container.host_pid", "Whether it shares the host's process ids.", lambda c: c.host_pid),
            ("container.host_network", "Whether it shares the host's network.", lambda c: c.host_network),
            ("container.host_ipc", "Whether it shares the host's inter-process communication.", lambda c: c.host_ipc),
        )
    ),
    _field("container.mounts", "All mounts: source:dest:mode:writable:propagation, with commas.", _text(_mounts)),
    _field("container.mount", "One mount, by its number or its source.", _mount("source", lambda m: m.text()), _MOUNT),
    _field(
        "container.mount.source",
        "The source of one mount, by its number or its destination.",
        _mount("dest", lambda mount: mount.source),
        _MOUNT,
    ),
    *(
        _field(
            f"container.mount.{name}",
            f"The {what} of one mount, by its number or its source.",
            _mount("source", of),
            _MOUNT,
        )
        for name, what, of in (
            ("dest", "destination", lambda mount: mount.dest),
            ("mode", "mode", lambda mount: mount.mode),
            ("rdwr", "writability", lambda mount: "true" if mount.rdwr else "false"),
            ("propagation", "propagation", lambda mount: mount.propagation),
        )
    ),
    _field(
        "container.image.repository", "The image's name without tag and digest.", _text(lambda c: c.image_repository)
    ),
    _field("container.image.tag", "The image's tag.", _text(lambda c: c.image_tag)),
    _field("container.image.digest", "The image's digest in its registry.", _text(lambda c: c.image_digest)),
    _field("container.healthcheck", "The command of the health check, or NONE.", _probe("Healthcheck")),
    _field("container.liveness_probe", "The command of the liveness probe, or NONE.", _probe("LivenessProbe")),
    _field("container.readiness_probe", "The command of the readiness probe, or NONE.", _probe("ReadinessProbe")),
    number_field(
        "container.start_ts",
        "When the container's first process was started.",
        _start,
        type_=ParamType.ABSTIME,
        missing=0,
        format=PrintFormat.DEC,
    ),
    Field(
        "container.duration",
        ParamType.RELTIME,
        "How long ago the container's first process was started.",
        _duration,
        format=PrintFormat.DEC,
        cost=Cost.STATE,
    ),
    _field("container.ip", "The address of the container.", _text(lambda c: c.ip)),
    _field(
        "container.cni.json", "What the network plugin said about the container's pod.", _text(lambda c: c.cni_json)
    ),
    _field(
        "container.label",
        "One label of the container.",
        label_column,
        FieldArgument(_parse_label, required=True, form="[NAME]"),
    ),
    _field("container.labels", "All labels of the container, as key:value with commas.", _text(_labels)),
)
