"""Probes: whether a process is one of the checks an orchestrator runs inside a container.

A probe is recognised by the command the container's description gives for it; what a probe starts belongs to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scap_formats.types import ParamType
from scaptools.columns import Numbers
from scaptools.fields.model import Cost, Field
from scaptools.fields.proc import PROC_FIELDS, ancestor_lists, arguments
from scaptools.state.attached import state_of
from scaptools.state.timeline import ABSENT

if TYPE_CHECKING:
    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Column, Rows
    from scaptools.fields.model import Extract
    from scaptools.state.thread import Thread


def _command(thread: Thread) -> bytes:
    return b"%s %s" % (thread.exe, arguments(thread)) if thread.args else thread.exe


def _is_probe(name: str) -> Extract:
    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
        state = state_of(batch)
        threads = state.threads(rows)
        known = threads != ABSENT
        commands = {(each.id, each.probes[name].encode()) for each in state.containers if name in each.probes}
        if not commands or not len(state.versions):
            return Numbers(np.zeros(len(threads), bool), known)
        probes = np.array([(thread.container, _command(thread)) in commands for thread in state.versions], bool)
        offsets, ancestors = ancestor_lists(state, rows)
        above = np.concatenate(([0], np.cumsum(probes[ancestors])))
        return Numbers(known & (probes[threads] | (above[offsets[1:]] > above[offsets[:-1]])), known)

    return extract


PROBE_FIELDS = tuple(
    Field(
        f"proc.is_container_{name}",
        ParamType.BOOL,
        f"Whether the process, or one above it, is its container's {words}.",
        _is_probe(key),
        flags=frozenset({"DEPRECATED"}),
        cost=Cost.STATE,
    )
    for name, words, key in (
        ("healthcheck", "health check", "Healthcheck"),
        ("liveness_probe", "liveness probe", "LivenessProbe"),
        ("readiness_probe", "readiness probe", "ReadinessProbe"),
    )
)
#: The whole class.
ALL_PROC_FIELDS = (*PROC_FIELDS, *PROBE_FIELDS)
