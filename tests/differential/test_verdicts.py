"""Verdicts: which filters are accepted, here and by sysdig 0.29.3, whose dialect is older."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scaptools.errors import FilterError
from scaptools.fields.catalog import Catalog
from scaptools.filter import compile_filter

pytestmark = pytest.mark.interop

#: Filters both accept.
BOTH = (
    "evt.type=open",
    "evt.type = open",
    "not evt.type=open",
    "not(evt.type=open)",
    "((evt.type=open))",
    "(evt.type=open)and(evt.dir=<)",
    "evt.type in (open,close)",
    "evt.type in ( open , close )",
    "fd.num in (1)",
    "fd.name exists",
    "fd.name contains ''",
    "fd.name pmatch (/etc)",
    "fd.name glob '*'",
    "fd.num=+3",
    "user.uid=-1",
    "fd.sport=http",
    "fd.sip=::1",
    "fd.net=127.0.0.0/8",
    "evt.arg.fd exists",
    "evt.arg[0] exists",
    "evt.rawarg.flags=1",
    "proc.aname[2]=bash",
    "evt.buffer contains x",
    "evt.failed=true",
    "evt.rawtime>1470327477000000000",
)
#: Filters neither accepts.
NEITHER = (
    "nosuch.field=1",
    "evt.nosuch=1",
    "evt.type",
    "evt.type foo open",
    "evt.type=nosuch",
    "evt.type=open and",
    "(evt.type=open",
    "fd.num=abc",
    "fd.num=3x",
    "evt.failed=yes",
    "fd.sip=999.1.1.1",
    "fd.sip=abc",
    "fd.net=127.0.0.0",
    "fd.net=127.0.0.0/33",
    "fd.sport=nosuch",
    "evt.arg.nosuch exists",
    "evt.rawarg.nosuch exists",
    "evt.arg exists",
    "fd.name in /etc",
    "fd.num pmatch (/etc)",
    "evt.type=open) or evt.type=close",
    "evt.type=open evt.type=close",
)
#: Filters only this program accepts: what the language has gained since.
ONLY_HERE = (
    "evt.type==open",
    "fd.name iglob /ETC/*",
    "fd.name regex '/etc/.*'",
    "fd.name startswith oneof (/etc, /usr)",
    "fd.num in ()",
    "fd.num=0x3",
    "tolower(proc.name) = cat",
    "len(proc.name) = 3",
    "concat(proc.name, '-', fd.name) = x",
    "proc.pid = val(thread.tid)",
    "evt.buffer bcontains 454c46",
    "evt.type=open or evt.type=close and fd.num=3",
    "proc.args[0] = x",
    "fd.types in (file)",
)
#: Filters only sysdig 0.29.3 accepts: what was dropped from the language, and slips it did not see.
ONLY_THERE = (
    "proc.name <= cat",
    "evt.failed > false",
    "evt.buffer icontains x",
    "proc.name in (a,b,)",
    "fd.name contains a=b",
    "fd.num > '2'",
    "evt.type.is.5 = 1",
)


def accepts(text: str) -> bool:
    try:
        compile_filter(text, Catalog())
    except FilterError:
        return False
    return True


@pytest.mark.parametrize(
    ("filters", "here", "there"),
    [(BOTH, True, True), (NEITHER, False, False), (ONLY_HERE, True, False), (ONLY_THERE, False, True)],
    ids=["both", "neither", "only here", "only there"],
)
def test_verdicts(
    captures: Path, answers: Callable[..., list[Any]], filters: tuple[str, ...], here: bool, there: bool
) -> None:
    capture = captures / "write_tmp_test.scap"
    found = answers([(capture, "-d", text) for text in filters])
    assert {text: answer.error is None for text, answer in zip(filters, found, strict=True)} == dict.fromkeys(
        filters, there
    )
    assert {text: accepts(text) for text in filters} == dict.fromkeys(filters, here)
