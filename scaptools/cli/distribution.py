"""Commands on a cluster: the options that ask for one, and what its workers do for ``filter`` and ``rules run``.

Workers render, and the command prints what they made of each capture in its order, as soon as all of it is there.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from scaptools.cli.printing import PrintOptions
    from scaptools.cluster import Part
    from scaptools.errors import CaptureError
    from scaptools.fields.needs import FieldInUse
    from scaptools.rules.alerts import AlertLines
    from scaptools.rules.config import Config
    from scaptools.rules.engine import RuleEngine
    from scaptools.rules.selection import Selection

F = TypeVar("F", bound="Callable[..., Any]")


def cluster_options(function: F) -> F:
    """``--workers`` and ``--scheduler``: where the work is done, if not here."""
    function = click.option("--scheduler", metavar="URL", help="Do the work on the Dask cluster at tcp://...")(function)
    return click.option(
        "--workers", type=click.IntRange(1), metavar="N", help="Do the work in N local processes (Dask)."
    )(function)


def show_progress(done: int, count: int) -> None:
    """Tell how many parts are done, on a terminal."""
    if sys.stderr.isatty():
        click.echo(f"\r{done} of {count} parts done" + ("\n" if done == count else ""), err=True, nl=False)


class ClusterJob(Protocol):
    """Work on parts of captures that yields something for some of their batches, in order."""

    def run(self, part: Part) -> PartOutput:
        """The output of a part. Raises ScapError."""


@dataclass(slots=True)
class PartOutput:
    """What came of a part: places of batches with what was made of them, how many events, and damage."""

    pieces: list[tuple[int, Any]] = field(default_factory=list)
    count: int = 0
    damage: list[CaptureError] = field(default_factory=list)


def run_on_cluster(
    job: ClusterJob,
    captures: Sequence[str],
    *,
    scheduler: str | None,
    workers: int | None,
    divisible: bool = True,
    by_state: bool = True,
) -> Iterator[PartOutput]:
    """The output for each capture, in the order of the captures; see `parts_of`. Raises ScapError."""
    from scaptools.cluster import open_cluster, parts_of

    with open_cluster(scheduler, workers or 2) as cluster:
        parts = parts_of(captures, cluster.workers, divisible=divisible, by_state=by_state)
        waiting: dict[int, list[PartOutput]] = {}
        numbers = {part: number for number, part in enumerate(parts)}
        whole = _whole_captures(parts)
        following = 0
        for part, output in cluster.results(job.run, parts, show_progress):
            waiting.setdefault(whole[numbers[part]], []).append(output)
            while following < len(captures) and len(waiting.get(following, ())) == whole.count(following):
                yield _united(waiting.pop(following))
                following += 1


def _whole_captures(parts: Sequence[Part]) -> list[int]:
    """For each part the number of its capture; parts of one stand together and begin with the first."""
    found: list[int] = []
    for part in parts:
        found.append((found[-1] if found else -1) + (part.index == 0))
    return found


def _united(outputs: Iterable[PartOutput]) -> PartOutput:
    united = PartOutput()
    for output in outputs:
        united.pieces += output.pieces
        united.count += output.count
        united.damage += output.damage
    united.pieces.sort(key=lambda piece: piece[0])
    return united


@dataclass(frozen=True, slots=True)
class FilterJob:
    """Printing, or only counting, the events that match."""

    expression: str
    options: PrintOptions
    internal: bool
    counting: bool

    def fields(self) -> list[FieldInUse]:
        """All fields that are read. Raises ScapError where something is wrong."""
        from scaptools.cli.printing import choose_printing
        from scaptools.fields.catalog import Catalog
        from scaptools.filter import compile_filter

        catalog = Catalog(style=self.options.style())
        printed = [] if self.counting else choose_printing(catalog, self.options).fields
        return [*printed, *compile_filter(self.expression, catalog).fields]

    def run(self, part: Part) -> PartOutput:
        """The lines of a part."""
        from scaptools.capture.reader import CaptureReader
        from scaptools.capture.visibility import shown_rows
        from scaptools.cli.printing import choose_printing
        from scaptools.cluster import batches_of
        from scaptools.fields.catalog import Catalog
        from scaptools.fields.needs import needs_of
        from scaptools.filter import compile_filter

        catalog = Catalog(style=self.options.style())
        predicate = compile_filter(self.expression, catalog)
        renderer = choose_printing(catalog, self.options).renderer
        output = PartOutput()
        with CaptureReader(part.capture) as reader:
            for place, batch, own in batches_of(part, reader, needs_of(self.fields())):
                rows = predicate.select(batch, own)
                rows = rows if self.internal else shown_rows(batch, rows)
                output.count += len(rows)
                if len(rows) and not self.counting:
                    output.pieces.append((place, b"".join(renderer.print(renderer.gather(batch, rows)))))
            output.damage = list(reader.damage_errors()) if part.index == 0 else []
        return output


@dataclass(frozen=True, slots=True)
class RulesJob:
    """Evaluating rules; the alerts of a batch with how many there are of each rule."""

    settings: Config
    names: list[str]
    selections: tuple[Selection, ...]
    raw_events: bool

    def engine(self) -> RuleEngine:
        """The engine with the rules loaded. Raises ScapError."""
        from scaptools.cli.rules import load_rules
        from scaptools.cli.rulesrun import rule_engine

        return rule_engine(
            load_rules(self.settings, self.names), self.settings, self.selections, raw_events=self.raw_events
        )

    def run(self, part: Part) -> PartOutput:
        """The alerts of a part."""
        from scaptools.capture.reader import CaptureReader
        from scaptools.rules.alerts import AlertWriter

        engine = self.engine()
        writer = AlertWriter(engine, self.settings.format)
        output = PartOutput()
        with CaptureReader(part.capture) as reader:
            for number, batch in enumerate(engine.prepared(reader.batches())):
                if number % part.count != part.index:
                    continue
                output.count += len(batch)
                alerts: list[AlertLines] = list(writer.portions(batch, engine.matches(batch)))
                if alerts:
                    output.pieces.append((number, alerts))
            output.damage = list(reader.damage_errors()) if part.index == 0 else []
        return output


def filter_on_cluster(
    job: FilterJob,
    captures: Sequence[str],
    *,
    scheduler: str | None,
    workers: int | None,
    strict: bool,
    by_status: bool,
) -> int:
    """Print, or only count, the events that match; the exit status."""
    from scaptools.cli.options import report_damage
    from scaptools.cli.printing import standard_output
    from scaptools.errors import ExitStatus

    count, damage = 0, []
    divisible = not any(used.remembers for used in job.fields())
    for output in run_on_cluster(job, captures, scheduler=scheduler, workers=workers, divisible=divisible):
        standard_output().writelines(text for _, text in output.pieces)
        count += output.count
        damage += output.damage
    if job.counting:
        click.echo(count)
    status = report_damage(damage, strict=strict)
    return ExitStatus.FOUND if status is ExitStatus.DONE and by_status and not count else status
