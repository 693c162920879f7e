"""Plugins in other languages, the official SDKs among them: the same events and values as the one in C."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scaptools.api import open_capture
from scaptools.capture.writer import CaptureWriter
from scaptools.errors import PluginError
from scaptools.plugins.check import check_plugin
from scaptools.plugins.host import PluginHost
from scaptools.record import record

#: What all of them extract; a key without an argument is NULL in some SDKs and an empty text in others.
FIELDS = [
    "evt.num", "evt.rawtime", "evt.plugininfo", "evt.pluginname", "evt.source", "sample.number", "sample.text",
    "sample.even", "sample.evtnum", "sample.words", "sample.part[2]", "sample.keyed[a.b]", "sample.lengths",
    "sample.flag", "sample.since",
]  # fmt: skip
INIT = {"prefix": "p "}


@pytest.fixture(
    params=["c++", pytest.param("go", marks=pytest.mark.interop), pytest.param("rust", marks=pytest.mark.interop)]
)
def library(request, build) -> str:
    if request.param == "c++":
        return build("sample.cpp", "3.12.0")
    return str(request.getfixturevalue(f"{request.param}_library"))


def recorded(plugin, path: Path, params: str = "1000") -> bytes:
    with CaptureWriter(path) as writer:
        record([(plugin, params)], writer)
    return path.read_bytes()


def test_records_filters_and_extracts(build, library, load, tmp_path) -> None:
    plugin, model = load(library, INIT), load(build("sample.c", "3.12.0"), INIT)
    assert (plugin.info, plugin.extract_sources) == (model.info, model.extract_sources)
    assert plugin.open_parameters() == model.open_parameters()
    path = tmp_path / "out.scap"
    assert recorded(plugin, path) == recorded(model, tmp_path / "model.scap")
    tables = []
    for one in (plugin, model):
        with open_capture(path, plugins=PluginHost([one])) as capture:
            tables.append(capture.select(FIELDS, where="sample.number >= 400 and sample.words intersects (word, x)"))
    assert tables[0].equals(tables[1])
    assert tables[0].num_rows == 400


def test_in_this_process(build, load, tmp_path) -> None:
    # Not with Go, whose runtime stays in a process for good.
    plugin = load(build("sample.cpp", "3.12.0"), INIT, in_process=True)
    model = load(build("sample.c", "3.12.0"), INIT)
    assert recorded(plugin, tmp_path / "out.scap") == recorded(model, tmp_path / "model.scap")


@pytest.mark.interop
@pytest.mark.parametrize("language", ["go", "rust"])
def test_addresses(request, load, tmp_path, language) -> None:
    plugin = load(request.getfixturevalue(f"{language}_library"))
    path = tmp_path / "out.scap"
    recorded(plugin, path, "4")
    with open_capture(path, plugins=PluginHost([plugin])) as capture:
        assert capture.select(["sample.address"]).column(0).to_pylist() == ["10.0.0.1", "2001:db8::1"] * 2


def test_progress_and_check(library, load) -> None:
    plugin = load(library)
    stream = plugin.open("1000")
    assert sum(map(len, stream)) == 1000
    fraction, text = stream.progress()
    assert 0 < fraction <= 1
    assert text == "counting"
    stream.close()
    assert check_plugin(plugin, "50") == []


def test_failures_are_the_plugins_own_words(library, load) -> None:
    with pytest.raises(PluginError, match="init failed: the prefix is refused"):
        load(library, {"prefix": "refuse"})
    with pytest.raises(PluginError, match=r"init configuration: .* other that is not known"):
        load(library, {"other": 1})
    with pytest.raises(PluginError, match="open failed: open parameters are no numbers: x"):
        load(library).open("x")


def test_on_the_command_line(library, tmp_path) -> None:
    out = str(tmp_path / "out.scap")
    scap = [sys.executable, "-m", "scaptools.cli.main"]
    subprocess.run([*scap, "record", library, "9", "-w", out], check=True, capture_output=True, timeout=60)
    shown = subprocess.run(
        [*scap, "filter", "sample.number > 6", out, "--plugin", library, "-p", "%evt.num %sample.text"],
        check=True, capture_output=True, text=True, timeout=60,
    ).stdout  # fmt: skip
    assert shown == "8 event 7 word\n9 event 8 word word\n"
