"""Clusters: a dataset of many captures, or of parts of a large one, written by the workers of a Dask cluster.

Work is split by capture, and within one by batches: of ``count`` parts each takes every ``count``-th batch. State is
kept along the whole capture by every part, so that the rows are those a single process writes. A worker that dies takes
nothing along: files appear whole or not at all, and their names depend on the part alone, so that it can be done again.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from scaptools.capture.reader import CaptureReader
from scaptools.capture.visibility import shown_rows
from scaptools.errors import ExportError, ScapError
from scaptools.export.streams import optional_module
from scaptools.export.tableexport import TableExport, claim_directory
from scaptools.export.tables import TableChoice
from scaptools.fields.catalog import Catalog
from scaptools.fields.needs import needs_of, with_state
from scaptools.filter import compile_filter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

#: How often a part is tried again after an error, or after its worker died.
_RETRIES = 3


@dataclass(frozen=True, slots=True)
class Part:
    """Part ``index`` of ``count`` of a capture; ``name`` is what its files are called."""

    capture: str
    index: int
    count: int
    name: str


@dataclass(frozen=True, slots=True)
class DatasetJob:
    """What is written: a dataset at ``target``, with the columns, the source and the events of a `TableExport`."""

    target: str
    fields: Sequence[str] | None = None
    where: str | None = None
    source: str | None = None


@dataclass(slots=True)
class PartResult:
    """What came out: rows by file, and what was damaged in the capture."""

    rows: dict[str, int] = field(default_factory=dict)
    damage: list[str] = field(default_factory=list)


def parts_of(captures: Sequence[str], workers: int) -> list[Part]:
    """The work for so many workers: captures are split where there are too few of them."""
    count = 1 if len(captures) >= workers else -(-workers // max(1, len(captures)))
    names = [re.sub(r"[^\w.-]", "_", PurePath(capture).name) for capture in captures]
    return [
        Part(capture, index, count, f"{number:05}-{name}-{index}")
        for number, (capture, name) in enumerate(zip(captures, names, strict=True))
        for index in range(count)
    ]


def export_part(part: Part, job: DatasetJob) -> PartResult:
    """Write the rows of one part. Raises ScapError."""
    catalog = Catalog()
    choice = TableChoice(catalog, job.fields, job.source)
    predicate = None if job.where is None else compile_filter(job.where, catalog)
    fields = [*choice.needed, *(predicate.fields if predicate is not None else ())]
    with CaptureReader(part.capture) as reader:
        with TableExport(f"{job.target.rstrip('/')}/", "parquet", choice, part=part.name) as export:
            for number, batch in enumerate(with_state(reader.batches(), needs_of(fields))):
                if number % part.count == part.index:
                    rows = shown_rows(batch) if predicate is None else shown_rows(batch, predicate.select(batch))
                    export.add(batch, rows)
        damage = [str(error) for error in reader.damage_errors()] if part.index == 0 else []
    return PartResult(export.rows, damage)


def export_on_cluster(
    captures: Sequence[str],
    job: DatasetJob,
    *,
    scheduler: str | None = None,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> PartResult:
    """Write a dataset of captures on the cluster at ``scheduler``, or on one of local processes.

    ``progress`` is told how many parts are done, and of how many. Workers have to see captures and target under the
    same names. Raises ExportError where the cluster fails, and what the parts raise.
    """
    claim_directory(job.target)
    result = PartResult()
    with _client(scheduler, workers) as client:
        distributed = optional_module("distributed")
        parts = parts_of(captures, workers if scheduler is None else max(1, len(client.scheduler_info()["workers"])))
        futures = [client.submit(export_part, part, job, retries=_RETRIES, pure=False) for part in parts]
        for done, future in enumerate(distributed.as_completed(futures), 1):
            try:
                found = future.result()
            except ScapError:
                raise
            except Exception as error:
                raise ExportError(f"a part failed on the cluster: {error}", path=job.target) from error
            result.rows |= found.rows
            result.damage += found.damage
            if progress is not None:
                progress(done, len(parts))
    # Workers that died left what they had begun.
    for begun in Path(job.target).rglob(".*.partial"):
        begun.unlink(missing_ok=True)
    return result


@contextmanager
def _client(scheduler: str | None, workers: int) -> Iterator[Any]:
    distributed = optional_module("distributed")
    if scheduler is not None:
        try:
            client = distributed.Client(scheduler)
        except OSError as error:
            raise ExportError(f"no cluster answers: {error}", path=scheduler) from error
        with client:
            yield client
        return
    with (
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client
