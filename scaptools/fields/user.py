"""The user.* fields: who a thread runs as and who logged in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scap_formats.types import ParamType
from scaptools.fields.model import Cost, Field
from scaptools.fields.thread import number_field
from scaptools.state.engine import state_of
from scaptools.state.thread import NO_ID

if TYPE_CHECKING:
    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Column, Rows
    from scaptools.fields.model import Extract
    from scaptools.state.thread import Thread


def user_id(thread: Thread) -> int:
    """Who a thread runs as."""
    return thread.uid


def login_id(thread: Thread) -> int:
    """Who logged in to run a thread."""
    return thread.loginuid & NO_ID


def _account(of_login: bool, attribute: str) -> Extract:
    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
        return state_of(batch).users(rows, login_id if of_login else user_id, attribute)

    return extract


def _text(name: str, description: str, extract: Extract) -> Field:
    return Field(name, ParamType.CHARBUF, description, extract, cost=Cost.STATE)


USER_FIELDS = (
    number_field("user.uid", "The user id of the thread.", user_id, type_=ParamType.UINT32),
    _text("user.name", "The name of the thread's user.", _account(False, "name")),
    _text("user.homedir", "The home directory of the thread's user.", _account(False, "home")),
    _text("user.shell", "The login shell of the thread's user.", _account(False, "shell")),
    number_field("user.loginuid", "The user id that logged in, -1 for none.", lambda thread: thread.loginuid),
    _text("user.loginname", "The name of the user that logged in.", _account(True, "name")),
)
