"""Choices: which of the matching events are wanted, by their number, their time, or their place among the others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from scaptools.cli.times import moment_option

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.cli.times import Moment

_SLICE = re.compile(r"(\d*):(\d*)", re.ASCII)
_LAST_NUMBER = 2**63 - 1


def _slice_option(context: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """First and last number of ``A:B``. Raises click.BadParameter."""
    if value is None:
        return None
    found = _SLICE.fullmatch(value)
    if found is None:
        raise click.BadParameter(f"{value!r} is not A:B, two event numbers of which one may be left out.")
    return int(found[1] or 1), min(int(found[2] or _LAST_NUMBER), _LAST_NUMBER)


def choice_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Which events: the parameters of `Choice`."""
    for option in (
        click.option("--all", "internal", is_flag=True, help="Internal events too."),
        click.option("--before", callback=moment_option, metavar="TIME", help="Only events before a time."),
        click.option("--after", callback=moment_option, metavar="TIME", help="Only events at or after a time."),
        click.option("--slice", "numbers", callback=_slice_option, metavar="A:B", help="Only events numbered A to B."),
        click.option("--skip", type=click.IntRange(0), default=0, metavar="N", help="Leave out the first N events."),
        click.option("-n", "--limit", type=click.IntRange(1), metavar="N", help="Stop after N events."),
    ):
        function = option(function)
    return function


@dataclass(frozen=True, slots=True)
class Choice:
    """The options of `choice_options`."""

    limit: int | None
    skip: int
    numbers: tuple[int, int] | None
    after: Moment | None
    before: Moment | None
    internal: bool

    @property
    def counts(self) -> bool:
        """Whether what is wanted of a batch depends on how much was found before."""
        return self.limit is not None or self.skip > 0

    @property
    def has_bounds(self) -> bool:
        """Whether numbers or times make a choice."""
        return self.numbers is not None or self.after is not None or self.before is not None

    def rows(self, batch: EventBatch, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Those of some ascending rows whose numbers and times are wanted."""
        if self.numbers is not None:
            first, last = (number - batch.first_number for number in self.numbers)
            start, stop = rows.searchsorted([first, last + 1])
            rows = rows[start:stop]
        if len(rows) and (self.after is not None or self.before is not None):
            start_of_capture = batch.section.first_ts or 0
            times = batch.header("ts", rows)
            if self.after is not None:
                rows, times = _only(times >= self._bound(self.after, start_of_capture), rows, times)
            if self.before is not None:
                rows, times = _only(times < self._bound(self.before, start_of_capture), rows, times)
        return rows

    @property
    def first_number(self) -> int:
        """The number no wanted event is before."""
        return 1 if self.numbers is None else max(self.numbers[0], 1)

    @staticmethod
    def _bound(moment: Moment, start_of_capture: int) -> int:
        return min(max(moment(start_of_capture), 0), 2**64 - 1)

    def ends_with(self, batch: EventBatch) -> bool:
        """Whether no event behind a batch is wanted."""
        return self.numbers is not None and batch.first_number + len(batch) > self.numbers[1]


def _only(wanted: NDArray[np.bool_], rows: NDArray[np.intp], times: NDArray[Any]) -> tuple[NDArray[np.intp], Any]:
    return (rows, times) if wanted.all() else (rows[wanted], times[wanted])
