"""The k8s.*, mesos.* and marathon.* fields: what container events tell of pods and what labels of containers do.

What only the API server of a cluster knows has no value in any capture; the descriptions say so.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.types import ParamType
from scaptools.columns import Coded, Texts
from scaptools.errors import FormatError
from scaptools.fields.evt.groups import row_count
from scaptools.fields.model import Cost, Field, FieldArgument
from scaptools.state.containers import SHORT_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Column, Rows
    from scaptools.fields.model import Extract
    from scaptools.state.containers import Container

    #: A text of a container and of the sandbox of its pod, None where that is not known.
    OfPod = Callable[[Container, Container | None], str | None]

_LABELLED = (
    ("k8s.pod.name", "The name of the pod.", "io.kubernetes.pod.name"),
    ("k8s.ns.name", "The namespace of the pod.", "io.kubernetes.pod.namespace"),
    ("k8s.pod.id", "The unique id of the pod.", "io.kubernetes.pod.uid"),
    ("k8s.pod.uid", "The unique id of the pod.", "io.kubernetes.pod.uid"),
)
_OUTDATED = frozenset({"DEPRECATED"})
_LIVE = "only a live cluster tells; no capture does."


def _parse_label(text: str) -> str:
    if not text:
        raise FormatError("a label needs a name", hint="write k8s.pod.label[NAME]")
    return text


_LABEL = FieldArgument(_parse_label, required=True, form="[NAME] or .NAME", suffix=True)


def _label(name: str, batch: EventBatch, rows: Rows, _argument: Any) -> Column:
    from scaptools.fields.container import label_column

    return label_column(batch, rows, name)


def _nothing(batch: EventBatch, rows: Rows, _argument: Any) -> Column:
    return Coded(np.full(row_count(batch, rows), -1, np.int8), Texts.of([]))


# Pods -----------------------------------------------------------------------------------------------------------------


def _pod(of: OfPod) -> Extract:
    def extract(batch: EventBatch, rows: Rows, _argument: Any) -> Column:
        from scaptools.state.attached import state_of

        state = state_of(batch)
        known = {container.id: container for container in state.containers}
        values = (of(container, known.get(_sandbox_key(container))) for container in state.containers)
        return Coded(state.container_of(rows), Texts.of(None if value is None else value.encode() for value in values))

    return extract


def _sandbox_key(container: Container) -> bytes:
    return (container.sandbox_id or "")[:SHORT_ID].encode()


def _sandbox_id(container: Container, _sandbox: Container | None) -> str | None:
    return container.sandbox_id


def _short_sandbox_id(container: Container, _sandbox: Container | None) -> str | None:
    return None if container.sandbox_id is None else container.sandbox_id[:SHORT_ID]


def _ip(container: Container, sandbox: Container | None) -> str | None:
    owner = container if container.cni_json or sandbox is None else sandbox
    return owner.ip


def _cni_json(container: Container, sandbox: Container | None) -> str | None:
    return container.cni_json or (None if sandbox is None else sandbox.cni_json)


def _pod_labels(container: Container, sandbox: Container | None) -> Mapping[str, str]:
    """The labels of a pod: its sandbox's where the container's network is not known, else those told of itself."""
    if not container.cni_json and sandbox is not None and sandbox.labels:
        return dict(sandbox.labels)
    return dict(container.sandbox_labels or container.labels)


def _labels(container: Container, sandbox: Container | None) -> str | None:
    return ", ".join(f"{key}:{value}" for key, value in sorted(_pod_labels(container, sandbox).items())) or None


def _pod_label(batch: EventBatch, rows: Rows, name: str) -> Column:
    return _pod(lambda container, sandbox: _pod_labels(container, sandbox).get(name))(batch, rows, None)


_PODS: tuple[tuple[str, str, OfPod], ...] = (
    ("k8s.pod.sandbox_id", "The short id of the pod's sandbox.", _short_sandbox_id),
    ("k8s.pod.full_sandbox_id", "The id of the pod's sandbox.", _sandbox_id),
    ("k8s.pod.ip", "The address of the pod.", _ip),
    ("k8s.pod.cni.json", "What the network plugin said about the pod.", _cni_json),
    ("k8s.pod.labels", "The labels of the pod, as key:value with commas.", _labels),
)


# What no capture knows ------------------------------------------------------------------------------------------------

_OBJECTS = (
    ("k8s.rc", "replication controller", ("name", "id", "label", "labels")),
    ("k8s.svc", "service", ("name", "id", "label", "labels")),
    ("k8s.ns", "namespace", ("id", "label", "labels")),
    ("k8s.rs", "replica set", ("name", "id", "label", "labels")),
    ("k8s.deployment", "deployment", ("name", "id", "label", "labels")),
    ("mesos.task", "Mesos task", ("name", "id", "label", "labels")),
    ("mesos.framework", "Mesos framework", ("name", "id")),
    ("marathon.app", "Marathon app", ("name", "id", "label", "labels")),
    ("marathon.group", "Marathon group", ("name", "id")),
)
_PARTS = {"name": "The name", "id": "The id", "label": "One label", "labels": "All labels"}


def _unknown(prefix: str, what: str, part: str) -> Field:
    return Field(
        f"{prefix}.{part}",
        ParamType.CHARBUF,
        f"{_PARTS[part]} of the {what} the container belongs to: {_LIVE}",
        _nothing,
        argument=_LABEL if part == "label" else None,
        flags=_OUTDATED,
    )


ORCHESTRATION_FIELDS = (
    *(
        Field(name, ParamType.CHARBUF, description, partial(_label, label), cost=Cost.STATE)
        for name, description, label in _LABELLED
    ),
    *(Field(name, ParamType.CHARBUF, description, _pod(of), cost=Cost.STATE) for name, description, of in _PODS),
    Field("k8s.pod.label", ParamType.CHARBUF, "One label of the pod.", _pod_label, argument=_LABEL, cost=Cost.STATE),
    *(_unknown(prefix, what, part) for prefix, what, parts in _OBJECTS for part in parts),
)
