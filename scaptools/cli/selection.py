"""Selections: what ``dump`` and ``filter`` do with the events that match, over one or many captures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from scaptools.cli.options import captures, report_damage
from scaptools.cli.printing import choose_printing, standard_output, write_failed
from scaptools.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.errors import CaptureError
    from scaptools.fields.catalog import Catalog
    from scaptools.fields.needs import FieldInUse


class Selection:
    """The matching events of captures, one capture after the other; counts them and keeps the damage met."""

    def __init__(
        self, names: Sequence[str], catalog: Catalog, expression: str | None, *, limit: int | None, internal: bool
    ) -> None:
        from scaptools.filter import compile_filter

        self._names = names
        self._catalog = catalog
        self.predicate = None if expression is None else compile_filter(expression, catalog)
        self._limit = limit
        self._internal = internal
        self.count = 0
        self.damage: list[CaptureError] = []

    def batches(self, fields: Sequence[FieldInUse] = ()) -> Iterator[tuple[EventBatch, NDArray[np.intp]]]:
        """Batches with their matching rows; ``fields`` are those that will be asked of them."""
        from scaptools.api import Capture

        for name in self._names:
            with Capture(name, catalog=self._catalog) as capture:
                try:
                    for batch, rows in capture.matches(self.predicate, fields=fields, internal=self._internal):
                        room = len(rows) if self._limit is None else self._limit - self.count
                        self.count += min(room, len(rows))
                        yield batch, rows[:room]
                        if room <= len(rows) and self._limit is not None:
                            return
                finally:
                    self.damage += capture.reader.damage_errors()

    def end(self, *, strict: bool, by_status: bool = False) -> ExitStatus:
        """Report the damage; the exit status."""
        status = report_damage(self.damage, strict=strict)
        if status is ExitStatus.DONE and by_status and not self.count:
            return ExitStatus.FOUND
        return status


def print_matches(
    expression: str | None,
    files: tuple[str, ...],
    read: tuple[str, ...],
    form: str | None,
    fields: str | None,
    *,
    as_json: bool,
    limit: int | None,
    internal: bool,
    strict: bool,
    by_status: bool = False,
) -> int:
    """Print the events that match; the exit status."""
    from scaptools.columns import ALL_ROWS
    from scaptools.fields.catalog import Catalog
    from scaptools.output.writer import BackgroundOutput, RenderedOutput

    catalog = Catalog()
    selection = Selection(captures(files, read), catalog, expression, limit=limit, internal=internal)
    printing = choose_printing(catalog, form, fields, as_json=as_json)
    try:
        with BackgroundOutput(RenderedOutput(printing.renderer, standard_output())) as output:
            for batch, rows in selection.batches(printing.fields):
                # Columns of whole batches are shared between fields; those of a choice of rows are not.
                output.write(batch, ALL_ROWS if len(rows) == len(batch) else rows)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise write_failed(error) from error
    return selection.end(strict=strict, by_status=by_status)


def count_matches(expression: str, files: tuple[str, ...], read: tuple[str, ...], **options: Any) -> int:
    """Print how many events match; the exit status."""
    from scaptools.fields.catalog import Catalog

    strict, by_status = options.pop("strict"), options.pop("by_status")
    selection = Selection(captures(files, read), Catalog(), expression, **options)
    for _ in selection.batches():
        pass
    click.echo(selection.count)
    return selection.end(strict=strict, by_status=by_status)


def write_matches(
    expression: str, files: tuple[str, ...], read: tuple[str, ...], output: str, compression: Any, **options: Any
) -> int:
    """Write a capture of the events that match, after the metadata of theirs; the exit status."""
    from scaptools.capture.writer import CaptureWriter
    from scaptools.fields.catalog import Catalog

    strict, by_status = options.pop("strict"), options.pop("by_status")
    selection = Selection(captures(files, read), Catalog(), expression, **options)
    with CaptureWriter(output, compression=compression) as writer:
        section = None
        for batch, rows in selection.batches():
            if batch.section is not section:
                section = batch.section
                writer.metadata(section)
            writer.write([batch.raw_blocks(rows)])
        if section is None:
            writer.section_header()
    click.echo(f"{selection.count} events written to {writer.name}", err=True)
    return selection.end(strict=strict, by_status=by_status)


def explain(expression: str) -> int:
    """Print the plan of a filter; the exit status."""
    from scaptools.fields.catalog import Catalog
    from scaptools.filter import compile_filter

    click.echo(compile_filter(expression, Catalog()).explain())
    return ExitStatus.DONE
