"""Datasets written by a cluster: every part of the work writes files of its own.

Files appear whole or not at all, and their names depend on the part alone, so that a part can be done again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from scaptools.capture.reader import CaptureReader
from scaptools.capture.visibility import shown_rows
from scaptools.cluster import Part, batches_of, open_cluster, parts_of
from scaptools.export.tableexport import TableExport, claim_directory
from scaptools.export.tables import TableChoice
from scaptools.fields.catalog import Catalog
from scaptools.fields.needs import needs_of
from scaptools.filter import compile_filter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scaptools.fields.needs import FieldInUse
    from scaptools.filter import CompiledFilter


@dataclass(frozen=True, slots=True)
class DatasetJob:
    """What is written: a dataset at ``target``, with the columns, the source and the events of a `TableExport`."""

    target: str
    fields: Sequence[str] | None = None
    where: str | None = None
    source: str | None = None

    def prepare(self) -> tuple[TableChoice, CompiledFilter | None, list[FieldInUse]]:
        """The choice of columns, the filter, and all fields they read. Raises ScapError where something is wrong."""
        catalog = Catalog()
        choice = TableChoice(catalog, self.fields, self.source)
        predicate = None if self.where is None else compile_filter(self.where, catalog)
        return choice, predicate, [*choice.needed, *(predicate.fields if predicate is not None else ())]


@dataclass(slots=True)
class PartResult:
    """What came out: rows by file, and what was damaged in the capture."""

    rows: dict[str, int] = field(default_factory=dict)
    damage: list[str] = field(default_factory=list)


def export_part(part: Part, job: DatasetJob) -> PartResult:
    """Write the rows of one part. Raises ScapError."""
    choice, predicate, fields = job.prepare()
    with CaptureReader(part.capture) as reader:
        with TableExport(f"{job.target.rstrip('/')}/", "parquet", choice, part=part.name) as export:
            for _, batch, rows in batches_of(part, reader, needs_of(fields)):
                export.add(batch, shown_rows(batch, rows if predicate is None else predicate.select(batch, rows)))
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
    divisible = not any(used.remembers for used in job.prepare()[2])
    claim_directory(job.target)
    result = PartResult()
    with open_cluster(scheduler, workers) as cluster:
        parts = parts_of(captures, cluster.workers, divisible=divisible)
        for _, found in cluster.results(partial(export_part, job=job), parts, progress):
            result.rows |= found.rows
            result.damage += found.damage
    # Workers that died left what they had begun.
    for begun in Path(job.target).rglob(".*.partial"):
        begun.unlink(missing_ok=True)
    return result
