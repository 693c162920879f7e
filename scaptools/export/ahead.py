"""Reading ahead: the next batch is read and tracked in a thread while this one is worked on.

A batch and its state say the same whether or not the engine has gone on, so the two do not disturb each other.
"""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

T = TypeVar("T")

#: What waits at most besides what is worked on and what is being read.
_AHEAD = 1
#: How often an abandoned thread looks whether somebody still listens.
_POLL_SECONDS = 0.1


class _End:
    """The end of what there is to read, by itself or by an error."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def read_ahead(items: Iterable[T]) -> Generator[T, None, None]:
    """The same items, each made while the one before it is in use. Raises what making them raises."""
    waiting: queue.Queue[T | _End] = queue.Queue(_AHEAD)
    stopped = threading.Event()

    def put(item: T | _End) -> bool:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False

    def run() -> None:
        end = _End()
        try:
            for item in items:
                if not put(item):
                    return
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            end = _End(error)
        put(end)

    thread = threading.Thread(target=run, name="reading", daemon=True)
    thread.start()
    try:
        while not isinstance(item := waiting.get(), _End):
            yield item
            del item
    finally:
        stopped.set()
        thread.join()
    if item.error is not None:
        raise item.error
