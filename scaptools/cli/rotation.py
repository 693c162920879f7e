"""Options that say when output goes on in the next file; shared by the commands that write captures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from scaptools.capture.rotation import RotationLimits

F = TypeVar("F", bound="Callable[..., Any]")

_MEGABYTE = 1_000_000
_NS = 1_000_000_000


def rotation_options(function: F) -> F:
    """``-C``, ``-G``, ``--max-events`` and ``-W``: when a part ends, and how many parts are kept."""
    for option in (
        click.option(
            "-W", "max_files", type=click.IntRange(1), metavar="COUNT", help="Keep only the newest so many files."
        ),
        click.option(
            "--max-events", type=click.IntRange(1), metavar="COUNT", help="Go on in the next file after so many events."
        ),
        click.option(
            "-G",
            "--max-seconds",
            type=click.FloatRange(0, min_open=True),
            metavar="SECONDS",
            help="Go on in the next file after so long, by the events' own times.",
        ),
        click.option(
            "-C",
            "--max-size",
            type=click.FloatRange(0, min_open=True),
            metavar="MB",
            help="Go on in the next file after so many million bytes, before compression.",
        ),
    ):
        function = option(function)
    return function


def rotation_limits(
    max_size: float | None, max_seconds: float | None, max_events: int | None, max_files: int | None
) -> RotationLimits | None:
    """The limits the options ask for, None where output is one file. Raises click.UsageError."""
    if all(limit is None for limit in (max_size, max_seconds, max_events, max_files)):
        return None
    from scaptools.capture.rotation import RotationLimits

    limits = RotationLimits(
        size_bytes=None if max_size is None else round(max_size * _MEGABYTE),
        events=max_events,
        duration_ns=None if max_seconds is None else round(max_seconds * _NS),
        files=max_files,
    )
    if limits.any:
        return limits
    if max_files is not None:
        raise click.UsageError("-W needs -C, -G or --max-events: otherwise there is only one file.")
    return None
