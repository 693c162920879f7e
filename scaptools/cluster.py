"""Clusters: the same work over many captures, or over parts of a large one, done by the workers of a Dask cluster.

Work is split by capture where there are enough of them, otherwise inside captures too: at the states an index keeps,
where there is an index with some; without one each of ``count`` parts takes every ``count``-th batch and follows the
state along all of them. Either way a part says of its events what a single process would. Results come in any order; a
part whose worker dies is done again by another one.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from scaptools.errors import ExportError, ScapError
from scaptools.fields.needs import with_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.capture.reader import CaptureReader

R = TypeVar("R")

#: How often a part is tried again after an error, or after its worker died.
_RETRIES = 3
_LAST_NUMBER = 2**63 - 1
#: Places of batches in one part are below this.
_PLACES = 1 << 40


@dataclass(frozen=True, slots=True)
class Part:
    """Part ``index`` of ``count`` of a capture; ``name`` says which among all.

    With ``events`` it is the events of those first and last numbers, otherwise every ``count``-th batch.
    """

    capture: str
    index: int
    count: int
    name: str
    events: tuple[int, int] | None = None

    def place(self, number: int) -> int:
        """Where the part's batch of that number stands among all batches of the capture."""
        return number if self.events is None else self.index * _PLACES + number


def parts_of(captures: Sequence[str], workers: int, *, divisible: bool = True, by_state: bool = True) -> list[Part]:
    """The work for so many workers: captures are split where there are too few of them, if they are ``divisible``.

    They are not where what is asked of an event counts the events before it. ``by_state`` allows for parts that begin
    with a state kept by an index.
    """
    count = 1 if len(captures) >= workers or not divisible else -(-workers // max(1, len(captures)))
    parts = []
    for number, capture in enumerate(captures):
        stem = f"{number:05}-" + re.sub(r"[^\w.-]", "_", PurePath(capture).name)
        ranges = _ranges(capture) if count > 1 and by_state else []
        if len(ranges) > 1:
            parts += [
                Part(capture, index, len(ranges), f"{stem}-{index:04}", events) for index, events in enumerate(ranges)
            ]
        else:
            parts += [Part(capture, index, count, f"{stem}-{index:04}") for index in range(count)]
    return parts


def _ranges(capture: str) -> list[tuple[int, int]]:
    """First and last event numbers between the states the index of a capture keeps; empty without one."""
    from scaptools.capture.index import CaptureIndex

    path = Path(capture)
    index = CaptureIndex.load(path) if path.is_file() else None
    if index is None or not index.usable:
        return []
    firsts = [1, *index.checkpoints["number"].tolist()]
    return list(zip(firsts, [*(first - 1 for first in firsts[1:]), _LAST_NUMBER], strict=True))


def batches_of(
    part: Part, reader: CaptureReader, needs: frozenset[str] | None
) -> Iterator[tuple[int, EventBatch, NDArray[np.intp]]]:
    """The batches of a part, with state where there is a need, each with its place and the rows that are the part's."""
    if part.events is None:
        for number, batch in enumerate(with_state(reader.batches(), needs)):
            if number % part.count == part.index:
                yield part.place(number), batch, np.arange(len(batch))
        return
    first, last = part.events
    for number, batch in enumerate(_from(reader, needs, part.events)):
        if batch.first_number > last:
            return
        numbers = batch.numbers()
        rows = np.flatnonzero((numbers >= first) & (numbers <= last))
        if len(rows):
            yield part.place(number), batch, rows


def _from(reader: CaptureReader, needs: frozenset[str] | None, events: tuple[int, int]) -> Iterator[EventBatch]:
    if needs is not None:
        from scaptools.state.resumption import batches_from

        return batches_from(reader, needs, events[0])
    from scaptools.capture.index import EventSelection

    return reader.batches(selection=EventSelection(numbers=events))


class Cluster:
    """A cluster with so many ``workers``."""

    def __init__(self, client: Any, workers: int) -> None:
        self._client = client
        self.workers = workers

    def results(
        self, work: Callable[[Part], R], parts: Sequence[Part], progress: Callable[[int, int], None] | None = None
    ) -> Iterator[tuple[Part, R]]:
        """What comes of the parts, as they are done. Workers have to see captures under the same names.

        ``progress`` is told how many parts are done, and of how many. Raises ExportError where the cluster fails, and
        what the parts raise.
        """
        distributed = _distributed()
        futures = {self._client.submit(work, part, retries=_RETRIES, pure=False): part for part in parts}
        try:
            for done, future in enumerate(distributed.as_completed(list(futures)), 1):
                part = futures[future]
                try:
                    found = future.result()
                except ScapError:
                    raise
                except Exception as error:
                    raise ExportError(f"a part failed on the cluster: {error}", path=part.capture) from error
                if progress is not None:
                    progress(done, len(parts))
                yield part, found
                future.release()
        finally:
            self._client.cancel(list(futures))


@contextmanager
def open_cluster(scheduler: str | None = None, workers: int = 2) -> Iterator[Cluster]:
    """The cluster at ``scheduler``, ``tcp://HOST:PORT``, or one of local processes.

    Raises ExportError where none answers and where Dask is not installed.
    """
    distributed = _distributed()
    if scheduler is not None:
        try:
            client = distributed.Client(scheduler)
        except (OSError, ValueError) as error:
            raise ExportError(f"no cluster answers: {error}", path=scheduler) from error
        with client:
            yield Cluster(client, max(1, len(client.scheduler_info()["workers"])))
        return
    with (
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1"
        ) as local,
        distributed.Client(local) as client,
    ):
        yield Cluster(client, workers)


def _distributed() -> ModuleType:
    try:
        import distributed
    except ImportError as error:
        raise ExportError("needs the package distributed", hint="install scaptools[distributed]") from error
    return distributed
