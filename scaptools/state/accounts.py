"""Accounts: users and groups over time, of the host and of containers.

An id is looked up in the thread's container where that has an account of that id, else on the host.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from scaptools.columns import Texts
from scaptools.state.timeline import ABSENT, BEFORE, Timeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from scaptools.columns import Rows
    from scaptools.state.batchstate import BatchState
    from scaptools.state.thread import Thread

    Ints: TypeAlias = NDArray[np.int64]

#: The container id and the number an account is known by; the host's container id is empty.
Key: TypeAlias = tuple[bytes, int]


class Account(NamedTuple):
    """A user, or a group, which has just a name."""

    name: bytes
    home: bytes = b""
    shell: bytes = b""


class AccountTimeline:
    """The accounts of one kind during a batch; `set` is called in capture order."""

    def __init__(self, known: dict[Key, Account]) -> None:
        self.known = known
        self._keys: list[Key] = list(known)
        self._positions = [BEFORE] * len(known)
        self._accounts: list[Account | None] = list(known.values())

    def set(self, key: Key, position: int, account: Account | None) -> None:
        """An account is added or changed, or with None removed."""
        if account is None:
            self.known.pop(key, None)
        else:
            self.known[key] = account
        self._keys.append(key)
        self._positions.append(position)
        self._accounts.append(account)

    @cached_property
    def _codes(self) -> dict[Key, int]:
        return {key: code for code, key in enumerate(dict.fromkeys(self._keys))}

    @cached_property
    def _timeline(self) -> Timeline:
        indices = [ABSENT if account is None else index for index, account in enumerate(self._accounts)]
        return Timeline([self._codes[key] for key in self._keys], self._positions, indices)

    def texts(self, attribute: str) -> Texts:
        """An attribute of every account `find` may answer with."""
        return Texts.of(None if account is None else getattr(account, attribute) for account in self._accounts)

    def _code(self, container: bytes, number: int) -> int:
        own = self._codes.get((container, number))
        return self._codes.get((b"", number), ABSENT) if own is None else own

    def find(self, state: BatchState, rows: Rows, of: Callable[[Thread], int]) -> Ints:
        """The index in `texts` of the account whose number ``of`` reads, for each event's thread; `ABSENT` for none."""
        threads = state.threads(rows)
        if not len(state.versions):
            return threads
        codes = state.memo(
            ("account codes", id(self), of),
            lambda: np.array([self._code(thread.container, of(thread)) for thread in state.versions], np.int64),
        )
        return self._timeline.find(np.where(threads != ABSENT, codes[threads], ABSENT), 2 * state.index(rows))

    def find_numbers(self, state: BatchState, rows: Rows, numbers: Ints) -> Ints:
        """The index in `texts` of the account of each number, seen from each event's thread; `ABSENT` for none."""
        threads = state.threads(rows)
        pairs, inverse = np.unique(np.stack((threads, numbers)), axis=1, return_inverse=True)
        codes = np.array(
            [
                self._code(state.versions[thread].container if thread != ABSENT else b"", number)
                for thread, number in pairs.T.tolist()
            ],
            np.int64,
        )
        return self._timeline.find(codes[inverse.ravel()] if len(codes) else threads, 2 * state.index(rows))
