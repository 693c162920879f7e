"""Faults: fields as sysdig 0.29.3 prints them where it is wrong by a rule, for comparing with it cell by cell.

They take the place of the right ones only in the dialect that asks for them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.types import ParamType
from scaptools.columns import Coded, Texts
from scaptools.fields.evt_state import EVT_STATE_FIELDS, is_attached
from scaptools.fields.fd import FD_FIELDS, descriptor_number, descriptor_text
from scaptools.fields.group import GROUP_FIELDS
from scaptools.state.attached import state_of
from scaptools.state.descriptors import CONNECTIONS, Role
from scaptools.state.timeline import ABSENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Column, Rows
    from scaptools.fields.model import Extract, Field
    from scaptools.state.descriptors import Descriptor
    from scaptools.state.thread import Thread

_RIGHT = {field.name: field for field in (*GROUP_FIELDS, *FD_FIELDS, *EVT_STATE_FIELDS)}


# The group id is read together with what lies behind it: how many threads the thread has made. ------------------------


def _wide_gid(thread: Thread) -> int:
    return thread.gid | thread.children << 32


def _group(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    state = state_of(batch)
    return state.number_column(state.threads(rows), _wide_gid)


# Whatever has a role, has a client to it: port 0 of sockets that wait for connections and of unix sockets. ------------


def _client_port(descriptor: Descriptor) -> int | None:
    if descriptor.role == Role.NONE:
        return None
    return descriptor.ends.sport if descriptor.type in CONNECTIONS else 0


def _client_port_text(descriptor: Descriptor) -> bytes | None:
    if descriptor.role == Role.NONE:
        return None
    return str(descriptor.ends.sport).encode() if descriptor.type in CONNECTIONS else b""


# The text of a latency stays for the events after it whose thread is not looked at. -----------------------------------


#: Events with a thread of their own, of which those in front of a capture are never printed.
_CONTAINERS = (272, 324)


@dataclass(slots=True)
class _LatestText:
    """The text that was printed last."""

    text: bytes = b""


def _human_latency(batch: EventBatch, rows: Rows, latest: _LatestText) -> Column:
    right: Extract = _RIGHT["evt.latency.human"].extract
    texts: list[bytes | None] = right(batch, rows, None).to_arrow().to_pylist()
    attached, printed = is_attached(batch, rows), np.array([text is not None for text in texts], bool)
    apart = np.isin(batch.header("type", rows), _CONTAINERS)
    index = np.arange(len(texts))
    source = np.maximum.accumulate(np.where(attached & printed & ~apart, index, ABSENT))
    shown = Texts.of([*texts, latest.text])
    if len(source) and source[-1] != ABSENT:
        latest.text = texts[source[-1]] or b""
    codes = np.where(attached & apart, index, np.where(source != ABSENT, source, len(texts)))
    return Coded(np.where(attached & ~printed, ABSENT, codes), shown)


_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "group.gid": {"extract": _group, "type": ParamType.UINT64},
    "fd.cport": {"extract": descriptor_number(_client_port, np.uint16)},
    "fd.cproto": {"extract": descriptor_text(_client_port_text, None)},
    "evt.latency.human": {"extract": _human_latency, "memory": _LatestText},
}
#: The faulty fields by name.
FAULTY_FIELDS: Mapping[str, Field] = {name: replace(_RIGHT[name], **changes) for name, changes in _CHANGES.items()}
