"""Selections: what ``dump`` and ``filter`` do with the events that match, over one or many captures."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import click

from scaptools.cli.following import check_followed, until_interrupted
from scaptools.cli.options import captures, report_damage
from scaptools.cli.printing import choose_printing, show_format, standard_output, write_failed
from scaptools.errors import ExitStatus
from scaptools.shares import WHOLE, delivered, in_order, useful_shares

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from scaptools.api import Capture
    from scaptools.capture.batch import EventBatch
    from scaptools.cli.choice import Choice
    from scaptools.cli.printing import Printing, PrintOptions
    from scaptools.columns import Rows
    from scaptools.errors import CaptureError
    from scaptools.fields.catalog import Catalog
    from scaptools.fields.needs import FieldInUse
    from scaptools.plugins.host import PluginHost
    from scaptools.shares import Share

#: Captures of fewer bytes are printed before further processes are at work.
_WORTH_SHARING = 48 << 20


class Selection:
    """The wanted events of captures, one capture after the other; counts them and keeps the damage met."""

    def __init__(
        self,
        names: Sequence[str],
        catalog: Catalog,
        expression: str | None,
        choice: Choice,
        *,
        follow: bool = False,
    ) -> None:
        from scaptools.filter import compile_filter

        check_followed(names, following=follow)
        self._follow = follow
        self._names = names
        self._catalog = catalog
        self.predicate = None if expression is None else compile_filter(expression, catalog)
        self._choice = choice
        self._skipped = 0
        #: The number of an event of each capture behind no wanted one, 0 where there are none; missing where unknown.
        self._begins: dict[str, int] = {}
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
            with (
                Capture(name, catalog=self._catalog, follow=self._follow) as capture,
                until_interrupted(capture.reader, following=self._follow),
            ):
                yield capture
            if self.is_full:
                return

    def look_ahead(self) -> bool:
        """See where wanted events begin, as far as that needs no state; whether there can be any.

        The damage of captures without any is noted. State, and all that is needed to print, is for those only.
        """
        if self._follow or self.predicate is None or not all(map(os.path.isfile, self._names)):
            return True
        choice = self._choice
        narrow = choice.rows if choice.has_bounds else None
        for capture in self.captures():
            if not capture.can_look_ahead(self.predicate):
                return True
            begin = capture.first_match(self.predicate, internal=choice.internal, narrow=narrow)
            self._begins[capture.name] = begin
            if not begin:
                self.damage += capture.reader.damage_errors()  # nobody will look at it again
        return any(self._begins.values())

    def matches(
        self, capture: Capture, fields: Sequence[FieldInUse] = (), share: Share = WHOLE
    ) -> Iterator[tuple[EventBatch, NDArray[np.intp]]]:
        """The batches the share owns with the rows that are wanted; ``fields`` are those that will be asked of them."""
        begin = self._begins.get(capture.name, 1)
        if not begin:
            return
        begin = max(begin, self._choice.first_number)
        looked_at = capture.looked_at(
            self.predicate, fields=fields, internal=self._choice.internal, begin=begin, share=share
        )
        try:
            for batch, matching in looked_at:
                yield batch, self._counted(self._choice.rows(batch, matching))
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

    def batches(
        self, fields: Sequence[FieldInUse] = (), share: Share = WHOLE
    ) -> Iterator[tuple[EventBatch, NDArray[np.intp]]]:
        """The batches of all captures that the share owns, with the rows that are wanted; possibly none."""
        for capture in self.captures():
            yield from self.matches(capture, fields, share)

    def shares(self, fields: Sequence[FieldInUse]) -> int:
        """How many processes printing these fields is worth being shared out to."""
        in_filter = self.predicate.fields if self.predicate is not None else ()
        if (
            self._follow
            or self._choice.counts
            or not all(map(os.path.isfile, self._names))
            or sum(map(os.path.getsize, self._names)) < _WORTH_SHARING
            or not self._catalog.survives_fork([*fields, *in_filter])
        ):
            return 1
        return useful_shares()

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
    host: PluginHost | None = None,
    follow: bool = False,
) -> int:
    """Print the events that match; the exit status."""
    from scaptools.fields.catalog import Catalog

    if options.shows_format:
        show_format(options)
        return ExitStatus.DONE
    catalog = Catalog(host, style=options.style())
    selection = Selection(captures(files, read), catalog, expression, choice, follow=follow)
    # Getting ready to print takes longer than reading a small capture; but what is wrong with the options comes first.
    printing = None if options.is_plain else choose_printing(catalog, options)
    if selection.look_ahead():
        try:
            _print(selection, printing or choose_printing(catalog, options))
        except BrokenPipeError:
            raise
        except OSError as error:
            raise write_failed(error) from error
    return selection.end(strict=strict, by_status=by_status)


def _print(selection: Selection, printing: Printing) -> None:
    """Print what is selected. Raises OSError."""
    from scaptools.output.writer import BackgroundOutput, RenderedOutput, write_all

    count, file = selection.shares(printing.fields), standard_output()
    if count == 1:
        with BackgroundOutput(RenderedOutput(printing.renderer, file)) as output:
            for batch, rows in selection.batches(printing.fields):
                if len(rows):
                    output.write(batch, _all_if_whole(batch, rows))
        return

    def work(share: Share) -> Generator[Iterable[memoryview], None, int]:
        for batch, rows in selection.batches(printing.fields, share):
            gathered = printing.renderer.gather(batch, _all_if_whole(batch, rows)) if len(rows) else None
            yield () if gathered is None else printing.renderer.print(gathered)
        return selection.count

    selection.count = sum(delivered(in_order(work, count), partial(write_all, file)))


def _all_if_whole(batch: EventBatch, rows: NDArray[np.intp]) -> Rows:
    """Columns of whole batches are shared between fields; those of a choice of rows are not."""
    from scaptools.columns import ALL_ROWS

    return ALL_ROWS if len(rows) == len(batch) else rows


def count_matches(
    expression: str,
    files: tuple[str, ...],
    read: tuple[str, ...],
    choice: Choice,
    *,
    strict: bool,
    by_status: bool,
    host: PluginHost | None = None,
    follow: bool = False,
) -> int:
    """Print how many events match; the exit status."""
    from scaptools.fields.catalog import Catalog

    selection = Selection(captures(files, read), Catalog(host), expression, choice, follow=follow)
    for _ in selection.batches():
        pass
    click.echo(selection.count)
    return selection.end(strict=strict, by_status=by_status)


def explain(expression: str, host: PluginHost | None = None) -> int:
    """Print the plan of a filter; the exit status."""
    from scaptools.fields.catalog import Catalog
    from scaptools.filter import compile_filter

    click.echo(compile_filter(expression, Catalog(host)).explain())
    return ExitStatus.DONE
