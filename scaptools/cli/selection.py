"""Selections: what ``dump`` and ``filter`` do with the events that match, over one or many captures."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from scaptools.cli.options import captures, report_damage
from scaptools.cli.printing import choose_printing, show_format, standard_output, write_failed
from scaptools.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from scaptools.api import Capture
    from scaptools.capture.batch import EventBatch
    from scaptools.cli.choice import Choice
    from scaptools.cli.printing import PrintOptions
    from scaptools.errors import CaptureError
    from scaptools.fields.catalog import Catalog
    from scaptools.fields.needs import FieldInUse


class Selection:
    """The wanted events of captures, one capture after the other; counts them and keeps the damage met."""

    def __init__(self, names: Sequence[str], catalog: Catalog, expression: str | None, choice: Choice) -> None:
        from scaptools.filter import compile_filter

        self._names = names
        self._catalog = catalog
        self.predicate = None if expression is None else compile_filter(expression, catalog)
        self._choice = choice
        self._skipped = 0
        self.count = 0
        self.damage: list[CaptureError] = []

    @property
    def is_full(self) -> bool:
        """Whether as many events were found as are wanted."""
        return self._choice.limit is not None and self.count >= self._choice.limit

    def captures(self) -> Iterator[Capture]:
        """The captures, each open while it is looked at, until enough events were found."""
        import gc

        from scaptools.api import Capture

        # What is there now stays to the end; looking through it again at every collection costs more than reading.
        gc.freeze()
        for name in self._names:
            with Capture(name, catalog=self._catalog) as capture:
                yield capture
            if self.is_full:
                return

    def matches(
        self, capture: Capture, fields: Sequence[FieldInUse] = ()
    ) -> Iterator[tuple[EventBatch, NDArray[np.intp]]]:
        """Batches with the rows that are wanted; ``fields`` are those that will be asked of them."""
        try:
            for batch, matching in capture.matches(self.predicate, fields=fields, internal=self._choice.internal):
                rows = self._counted(self._choice.rows(batch, matching))
                if len(rows):
                    yield batch, rows
                if self.is_full or self._choice.ends_with(batch):
                    return
        finally:
            self.damage += capture.reader.damage_errors()

    def _counted(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Those of some rows that are neither to be skipped nor too many."""
        choice = self._choice
        if self._skipped < choice.skip:
            skipped = min(choice.skip - self._skipped, len(rows))
            self._skipped += skipped
            rows = rows[skipped:]
        if choice.limit is not None:
            rows = rows[: choice.limit - self.count]
        self.count += len(rows)
        return rows

    def batches(self, fields: Sequence[FieldInUse] = ()) -> Iterator[tuple[EventBatch, NDArray[np.intp]]]:
        """The batches of all captures with the rows that are wanted."""
        for capture in self.captures():
            yield from self.matches(capture, fields)

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
    choice: Choice,
    options: PrintOptions,
    *,
    strict: bool,
    by_status: bool = False,
) -> int:
    """Print the events that match; the exit status."""
    from scaptools.columns import ALL_ROWS
    from scaptools.fields.catalog import Catalog

    if options.shows_format:
        show_format(options)
        return ExitStatus.DONE
    catalog, names = Catalog(style=options.style()), captures(files, read)
    if expression is not None and options.is_plain and all(map(os.path.isfile, names)):
        # Getting ready to print takes longer than reading a small capture: first see whether there is anything to.
        probe = Selection(names, catalog, expression, choice)
        if not any(True for _ in probe.batches()):
            return probe.end(strict=strict, by_status=by_status)
    from scaptools.output.writer import BackgroundOutput, RenderedOutput

    selection = Selection(names, catalog, expression, choice)
    printing = choose_printing(catalog, options)
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


def count_matches(
    expression: str, files: tuple[str, ...], read: tuple[str, ...], choice: Choice, *, strict: bool, by_status: bool
) -> int:
    """Print how many events match; the exit status."""
    from scaptools.fields.catalog import Catalog

    selection = Selection(captures(files, read), Catalog(), expression, choice)
    for _ in selection.batches():
        pass
    click.echo(selection.count)
    return selection.end(strict=strict, by_status=by_status)


def explain(expression: str) -> int:
    """Print the plan of a filter; the exit status."""
    from scaptools.fields.catalog import Catalog
    from scaptools.filter import compile_filter

    click.echo(compile_filter(expression, Catalog()).explain())
    return ExitStatus.DONE
