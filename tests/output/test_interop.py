"""The same formats printed by sysdig 0.29.3; only fields that need nothing but the event itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scaptools.api import open_capture
from scaptools.output.lines import LineRenderer
from scaptools.output.ndjson import sysdig_json
from scaptools.output.renderer import render
from scaptools.output.template import Template, unescape

pytestmark = pytest.mark.interop

CAPTURES = ("cat_write", "curl_google")
EVERY_EVENT = (
    "*%evt.num|%8evt.cpu|%3evt.type|%evt.dir|%evt.rawtime.ns|%12evt.rawtime.s|%evt.is_io|%evt.count|%evt.numX"
    r"|%evt.arg.length|%evt.buffer|%5evt.rawres|%evt.res\t\\n"
)
COMPLETE_EVENTS = "%evt.num %evt.rawres %evt.rawtime.ns %evt.buffer %evt.num"


def theirs(sysdig: str, capture: Path, *options: str) -> list[bytes]:
    run = subprocess.run([sysdig, "-r", str(capture), *options], capture_output=True, check=True)
    return run.stdout.splitlines()


def ours(capture: Path, text: str, *, as_json: bool) -> list[bytes]:
    with open_capture(str(capture)) as opened:
        template = Template.parse(unescape(text), opened.catalog)
        renderer = sysdig_json(template) if as_json else LineRenderer(template)
        parts = [bytes(render(renderer, batch, rows)) for batch, rows in opened.matches(None)]
    return b"".join(parts).splitlines()


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("name", CAPTURES)
def test_every_event(sysdig: str, shared_data: Path, name: str, as_json: bool) -> None:
    capture = shared_data / "captures" / f"{name}.scap"
    expected = theirs(sysdig, capture, *(["-j"] if as_json else []), "-p", EVERY_EVENT)
    # sysdig does not print internal events, which come first in these captures.
    printed = ours(capture, EVERY_EVENT, as_json=as_json)
    wanted = set(expected)
    assert len(expected) > 80
    assert [line for line in printed if line in wanted] == expected


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("name", CAPTURES)
def test_complete_events(sysdig: str, shared_data: Path, name: str, as_json: bool) -> None:
    capture = shared_data / "captures" / f"{name}.scap"
    expected = theirs(sysdig, capture, *(["-j"] if as_json else []), "-p", COMPLETE_EVENTS)
    assert expected
    assert ours(capture, COMPLETE_EVENTS, as_json=as_json) == expected
