"""Spooling: captures that can be read only once, made such that can be read again."""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from scaptools.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator


def shown_name(name: str) -> str:
    """What a capture is called in messages, whatever it is read from."""
    return "<stdin>" if name == "-" else name


@contextmanager
def repeatable(names: list[str]) -> Iterator[list[str]]:
    """The captures by names under which they can be read several times: pipes go to files first.

    Raises InputError where one cannot be read.
    """
    with ExitStack() as stack:
        yield [_spooled(name, stack) if _is_stream(name) else name for name in names]


def _is_stream(name: str) -> bool:
    return name == "-" or ("://" not in name and Path(name).exists() and not Path(name).is_file())


def _spooled(name: str, stack: ExitStack) -> str:
    spool = stack.enter_context(tempfile.NamedTemporaryFile(prefix="scap-", suffix=".scap"))
    try:
        source = sys.stdin.buffer if name == "-" else stack.enter_context(Path(name).open("rb"))
        shutil.copyfileobj(source, cast("BinaryIO", spool))
        spool.flush()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path=name) from error
    return spool.name
