"""A team: a plugin in several processes, each of which extracts from its part of the payloads.

It begins with one member; the others are started once extraction has taken so long that they are worth it, and join
when they are ready. Only plugins whose values do not depend on what they saw before can be in a team.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from scaptools.errors import PluginError
from scaptools.plugins.shared.extraction import Extracted

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future, ThreadPoolExecutor

    from scaptools.plugins.shared.extraction import FieldRequest
    from scaptools.plugins.shared.payloads import PayloadColumns
    from scaptools.plugins.shared.session import Session

#: Seconds of extraction after which others are called in.
_ALONE_SECONDS: Final = 0.2
#: Fewest payloads that are divided.
_DIVIDED: Final = 2048
_MOST_MEMBERS: Final = 8


def useful_size() -> int:
    """How many members are of use on this machine."""
    return min(os.cpu_count() or 1, _MOST_MEMBERS)


@dataclass(frozen=True, slots=True)
class Part:
    """What one member has prepared."""

    session: Session
    prepared: Any


@dataclass(slots=True)
class Team:
    """The sessions of a plugin, at most ``size``; ``another`` makes one more, ready to extract."""

    first: Session
    another: Callable[[], Session]
    size: int
    others: list[Session] = field(default_factory=list)
    _spent_s: float = 0.0
    _coming: list[Future[Session]] = field(default_factory=list)
    _threads: ThreadPoolExecutor | None = None

    def prepare(self, payloads: PayloadColumns, source_names: dict[int, str]) -> tuple[Part, ...]:
        """Payloads ready for extraction, in parts."""
        self._welcome()
        members = [self.first, *self.others] if len(payloads) >= _DIVIDED else [self.first]
        bounds = [number * len(payloads) // len(members) for number in range(len(members) + 1)]
        return tuple(
            Part(member, member.prepare(payloads.part(begin, end), source_names))
            for member, begin, end in zip(members, bounds, bounds[1:], strict=False)
        )

    def extract(self, parts: tuple[Part, ...], request: FieldRequest) -> Extracted:
        """One field of prepared payloads. Raises PluginError."""
        first, *rest = parts
        if not rest:
            began = time.monotonic()
            extracted = first.session.extract(first.prepared, request)
            self._spent_s += time.monotonic() - began
            if self._spent_s > _ALONE_SECONDS:
                self._call()
            return extracted
        threads = self._pool()
        waiting = [threads.submit(part.session.extract, part.prepared, request) for part in rest]
        done = [first.session.extract(first.prepared, request)]
        return Extracted.joined([*done, *(future.result() for future in waiting)])

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None:
            from concurrent.futures import ThreadPoolExecutor

            self._threads = ThreadPoolExecutor(self.size, thread_name_prefix="scap-plugin")
        return self._threads

    def _call(self) -> None:
        """Start the others, once."""
        if self._threads is None and self.size > 1:
            self._coming = [self._pool().submit(self.another) for _ in range(self.size - 1)]

    def _welcome(self) -> None:
        """Have those join that are ready; one that cannot be started is done without."""
        for future in [future for future in self._coming if future.done()]:
            self._coming.remove(future)
            with contextlib.suppress(PluginError):
                self.others.append(future.result())

    def end(self) -> None:
        """Give up all but the first."""
        if self._threads is not None:
            self._threads.shutdown()
        self._welcome()
        for session in self.others:
            session.end()
        self.others.clear()
