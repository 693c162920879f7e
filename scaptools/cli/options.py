"""Options that several subcommands share."""

from __future__ import annotations

import glob
from typing import TYPE_CHECKING, Any, TypeVar

import click

from scaptools.errors import ExitStatus, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scaptools.errors import CaptureError

F = TypeVar("F", bound="Callable[..., Any]")


def capture_argument(function: F) -> F:
    """``FILE...`` and ``-r FILE``: the captures to read."""
    function = click.argument("files", nargs=-1, metavar="FILE...")(function)
    return click.option("-r", "--read", "read", multiple=True, metavar="FILE", help="A capture to read.")(function)


def strict_option(function: F) -> F:
    """``--strict``: damage ends with a status of its own."""
    return click.option("--strict", is_flag=True, help="End with status 3 where a capture is damaged.")(function)


def compression_option(function: F) -> F:
    """``-z`` and ``--compression``: how output is compressed."""
    function = click.option(
        "--compression", type=click.Choice(["gzip", "zstd"]), default=None, help="Compress what is written."
    )(function)
    return click.option("-z", "compression", flag_value="gzip", help="The same as --compression gzip.")(function)


def listing_option(function: F) -> F:
    """``--json`` and ``--markdown``: the form of a listing."""
    function = click.option("--json", "listing", flag_value="json", help="One JSON object a line.")(function)
    function = click.option("--markdown", "listing", flag_value="markdown", help="A Markdown table.")(function)
    return click.option("--text", "listing", flag_value="text", default="text", help="An aligned table (default).")(
        function
    )


def captures(files: tuple[str, ...], read: tuple[str, ...]) -> list[str]:
    """The captures named by arguments and ``-r``, globs expanded. Raises click.UsageError where there is none."""
    named = [*files, *read]
    if not named:
        raise click.UsageError("Name at least one capture, or - for standard input.")
    found: list[str] = []
    for name in named:
        if any(mark in name for mark in "*?[") and "://" not in name:
            matches = sorted(glob.glob(name))
            if not matches:
                raise InputError("matches no file", path=name)
            found += matches
        else:
            found.append(name)
    return found


def report_damage(errors: Iterable[CaptureError], *, strict: bool) -> ExitStatus:
    """Tell damage on standard error; the exit status it leads to."""
    status = ExitStatus.DONE
    for error in errors:
        click.echo(f"scap: {error}", err=True)
        status = ExitStatus.DAMAGED if strict else ExitStatus.DONE
    return status
