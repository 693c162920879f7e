"""Writing the events that match into a capture; ``filter -w``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from scaptools.cli.selection import Selection
from scaptools.cli.spooling import repeatable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scaptools.capture.rotation import RotatingWriter, RotationLimits
    from scaptools.capture.writer import CaptureWriter
    from scaptools.cli.choice import Choice
    from scaptools.plugins.host import PluginHost
    from scaptools.subset.metadata import Removed

#: Fields that show the data events carry, and the environment processes have; the latter's arguments are names.
_BUFFER_FIELDS = ("evt.buffer", "evt.arg.data", "evt.rawarg.data", "evt.args", "evt.info", "evt.arg[")
_ENVIRONMENT_FIELDS = ("proc.env", "proc.aenv", "evt.arg.env", "evt.rawarg.env")


@dataclass(frozen=True, slots=True)
class Target:
    """Where matches go: one capture, or with ``limits`` several."""

    name: str
    compression: Any
    limits: RotationLimits | None

    def open(self) -> CaptureWriter | RotatingWriter:
        """The writer. Raises OutputError."""
        from scaptools.capture.rotation import RotatingWriter
        from scaptools.capture.writer import CaptureWriter

        if self.limits is None:
            return CaptureWriter(self.name, compression=self.compression)
        return RotatingWriter(self.name, self.limits, compression=self.compression, atomic=True)


def write_matches(
    expression: str,
    names: list[str],
    choice: Choice,
    target: Target,
    *,
    minimal: bool,
    sanitized: bool,
    strict: bool,
    by_status: bool,
    host: PluginHost | None = None,
) -> int:
    """Write a capture of the events that match and of what they depend on; the exit status."""
    from scaptools.fields.catalog import Catalog
    from scaptools.subset.metadata import Removed

    removed = Removed()
    kept = 0
    with repeatable(names) as spooled:
        selection = Selection(spooled, Catalog(host), expression, choice)
        with target.open() as writer:
            for capture_kept, capture_removed in _subsets(selection, writer, minimal=minimal, sanitized=sanitized):
                kept += capture_kept
                removed.add(capture_removed)
            if not writer.bytes_written:
                writer.section_header()
    click.echo(_summary(selection.count, kept, writer.name), err=True)
    if sanitized:
        for line in removed.lines():
            click.echo(line, err=True)
    return selection.end(strict=strict, by_status=by_status)


def _subsets(
    selection: Selection, writer: CaptureWriter | RotatingWriter, *, minimal: bool, sanitized: bool
) -> Iterator[tuple[int, Removed]]:
    """Write what is wanted of each capture; how many events of state it took, and what was removed."""
    from scaptools.subset.subset import Subset, SubsetOptions

    read = [] if selection.predicate is None else [field.name for field in selection.predicate.fields]
    options = SubsetOptions(
        state=not minimal,
        sanitized=sanitized,
        buffers=any(name.startswith(_BUFFER_FIELDS) for name in read),
        environments=any(name.startswith(_ENVIRONMENT_FIELDS) for name in read),
    )
    for capture in selection.captures():
        subset = Subset(options)
        for batch, rows in selection.matches(capture):
            subset.choose(batch, rows)
        if subset.chosen_count:
            subset.survey(capture.batches())
            subset.write(capture.batches(), writer)
        yield subset.state_count, subset.removed


def _summary(count: int, kept: int, name: str) -> str:
    others = f", and {kept} that keep the state they need" if kept else ""
    return f"{count} events written to {name}{others}"
