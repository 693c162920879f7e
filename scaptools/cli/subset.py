"""Writing the events that match into a capture; ``filter -w``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from scaptools.cli.options import captures
from scaptools.cli.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scaptools.capture.writer import CaptureWriter
    from scaptools.cli.choice import Choice
    from scaptools.subset.metadata import Removed

#: Fields that show the data events carry, and the environment processes have; the latter's arguments are names.
_BUFFER_FIELDS = ("evt.buffer", "evt.arg.data", "evt.rawarg.data", "evt.args", "evt.info", "evt.arg[")
_ENVIRONMENT_FIELDS = ("proc.env", "proc.aenv", "evt.arg.env", "evt.rawarg.env")


def write_matches(
    expression: str,
    files: tuple[str, ...],
    read: tuple[str, ...],
    choice: Choice,
    output: str,
    compression: Any,
    *,
    minimal: bool,
    sanitized: bool,
    strict: bool,
    by_status: bool,
) -> int:
    """Write a capture of the events that match and of what they depend on; the exit status."""
    from scaptools.capture.writer import CaptureWriter
    from scaptools.fields.catalog import Catalog
    from scaptools.subset.metadata import Removed

    removed = Removed()
    kept = 0
    with _repeatable(captures(files, read)) as names:
        selection = Selection(names, Catalog(), expression, choice)
        with CaptureWriter(output, compression=compression) as writer:
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
    selection: Selection, writer: CaptureWriter, *, minimal: bool, sanitized: bool
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


@contextmanager
def _repeatable(names: list[str]) -> Iterator[list[str]]:
    """The captures by names under which they can be read several times: standard input goes to a file first."""
    if "-" not in names:
        yield names
        return
    with tempfile.NamedTemporaryFile(prefix="scap-", suffix=".scap") as spool:
        shutil.copyfileobj(sys.stdin.buffer, spool)
        spool.flush()
        yield [spool.name if name == "-" else name for name in names]
