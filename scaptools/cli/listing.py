"""Listings: rows of text as an aligned table or as Markdown."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Literal, TypeAlias

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

Form: TypeAlias = Literal["text", "json", "markdown"]


def show_rows(rows: Sequence[Sequence[str]], head: Sequence[str], form: Form) -> None:
    """Print rows under a head; the last column takes what is left of a terminal's width, whole where piped."""
    if form == "markdown":
        for row in (head, ["---"] * len(head), *rows):
            click.echo("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
        return
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    start = sum(widths[:-1]) + 2 * (len(widths) - 1)
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        last = row[-1]
        if room is not None and start + len(last) > room > start + 20:
            last = click.wrap_text(last, room - start).replace("\n", "\n" + " " * start)
        click.echo("  ".join([*cells, last]).rstrip())
