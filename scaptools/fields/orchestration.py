"""The k8s.* and mesos.* fields a capture can answer: what Kubernetes writes into the labels of containers.

What only a cluster's API server knows is missing in every capture; of those fields only the ones upstream's formats
name are here.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.types import ParamType
from scaptools.columns import Coded, Texts
from scaptools.fields.evt.groups import row_count
from scaptools.fields.model import Cost, Field

if TYPE_CHECKING:
    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Column, Rows

_LABELLED = (
    ("k8s.pod.name", "The name of the pod.", "io.kubernetes.pod.name"),
    ("k8s.ns.name", "The namespace of the pod.", "io.kubernetes.pod.namespace"),
    ("k8s.pod.id", "The unique id of the pod.", "io.kubernetes.pod.uid"),
    ("k8s.pod.uid", "The unique id of the pod.", "io.kubernetes.pod.uid"),
)
_UNKNOWN = (
    ("mesos.task.name", "The name of the Mesos task; no capture knows it."),
    ("mesos.task.id", "The id of the Mesos task; no capture knows it."),
)


def _label(name: str, batch: EventBatch, rows: Rows, _argument: Any) -> Column:
    from scaptools.fields.container import label_column

    return label_column(batch, rows, name)


def _nothing(batch: EventBatch, rows: Rows, _argument: Any) -> Column:
    return Coded(np.full(row_count(batch, rows), -1, np.int8), Texts.of([]))


ORCHESTRATION_FIELDS = (
    *(
        Field(name, ParamType.CHARBUF, description, partial(_label, label), cost=Cost.STATE)
        for name, description, label in _LABELLED
    ),
    *(Field(name, ParamType.CHARBUF, description, _nothing) for name, description in _UNKNOWN),
)
