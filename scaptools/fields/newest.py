"""Newest: fields that today's libraries answer otherwise than sysdig 0.29.3, for the dialect that follows them.

A parent is always a process there, not the thread that made another; what nobody knows about an account is the text
<NA>, or that it is root's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scaptools.columns import Coded, Texts
from scaptools.fields.group import GROUP_FIELDS, gid
from scaptools.fields.proc import (
    PROC_FIELDS,
    ancestor_text,
    arguments,
    comm,
    leader_text,
    parent_process,
    pid,
    session_id,
)
from scaptools.fields.thread import main
from scaptools.fields.user import USER_FIELDS, login_id, user_id
from scaptools.state.attached import state_of
from scaptools.state.timeline import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Column, Rows
    from scaptools.fields.model import Extract, Field
    from scaptools.fields.thread import Which
    from scaptools.state.thread import Thread

_OLDER = {field.name: field for field in (*PROC_FIELDS, *USER_FIELDS, *GROUP_FIELDS)}
_NOBODY, _ROOT = b"<NA>", b"root"


def _command_line(thread: Thread) -> bytes:
    following = arguments(thread)
    return b"%s %s" % (thread.comm, following) if following else thread.comm


def _children(thread: Thread) -> int:
    return thread.children


def _text(of: Callable[[Thread], bytes], which: Which) -> Extract:
    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
        state = state_of(batch)
        return state.text_column(which(state, rows), of)

    return extract


def _number(of: Callable[[Thread], int], which: Which, dtype: type) -> Extract:
    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
        state = state_of(batch)
        return state.number_column(which(state, rows), of, dtype=dtype)

    return extract


def _account(field: str, of: Callable[[Thread], int], unknown_root: bytes) -> Extract:
    """The older field, with a text for accounts nobody knows; ``unknown_root`` is that of number 0."""
    older: Extract = _OLDER[field].extract

    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:
        state = state_of(batch)
        found = older(batch, rows, argument)
        assert isinstance(found, Coded)  # noqa: S101 - account fields are
        threads = state.threads(rows)
        unknown = (threads != ABSENT) & ~found.validity()
        values = found.values.to_arrow().to_pylist()
        texts = Texts.of([*values, _NOBODY, unknown_root])
        numbers = state.numbers(of)
        is_root = numbers[threads] == 0 if len(numbers) else np.zeros(len(threads), bool)
        return Coded(np.where(unknown, len(values) + is_root, found.codes), texts)

    return extract


_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "proc.pname": {"extract": _text(comm, parent_process)},
    "proc.ppid": {"extract": _number(pid, parent_process, np.int64)},
    "proc.cmdline": {"extract": _text(_command_line, lambda state, rows: state.threads(rows))},
    "proc.pcmdline": {"extract": _text(_command_line, parent_process)},
    "proc.acmdline": {"extract": ancestor_text(_command_line)},
    "proc.sname": {"extract": leader_text(session_id, comm, oneself=False)},
    "proc.nchilds": {"extract": _number(_children, main, np.uint64)},
    "user.name": {"extract": _account("user.name", user_id, _ROOT)},
    "user.homedir": {"extract": _account("user.homedir", user_id, _NOBODY)},
    "user.shell": {"extract": _account("user.shell", user_id, _NOBODY)},
    "user.loginname": {"extract": _account("user.loginname", login_id, _ROOT)},
    "group.name": {"extract": _account("group.name", gid, _ROOT)},
}
#: The fields that differ, by name.
NEWEST_FIELDS: Mapping[str, Field] = {name: replace(_OLDER[name], **changes) for name, changes in _CHANGES.items()}
