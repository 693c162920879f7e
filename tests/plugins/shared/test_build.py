"""Python plugins built into libraries, in our own host and in sysdig."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from scaptools.capture.writer import CaptureWriter
from scaptools.errors import PluginError
from scaptools.plugins.build import build_plugin
from scaptools.plugins.check import HOSTILE, check_plugin
from scaptools.plugins.cloudtrail import CloudTrailPlugin
from scaptools.plugins.contract import Payloads
from scaptools.plugins.json import JsonPlugin
from scaptools.record import record

LOGS = Path(__file__).parents[2] / "fixtures" / "cloudtrail" / "AWSLogs"


@pytest.fixture(scope="session", params=[0, 3], ids=["api 0.3", "api 3.0"])
def library(request, tmp_path_factory) -> str:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler is installed")
    if not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        pytest.skip("this Python has no shared library")
    target = tmp_path_factory.mktemp("built") / "libcloudtrail.so"
    return str(build_plugin(CloudTrailPlugin, target, major=request.param))


def recorded(plugin, path: Path) -> bytes:
    with CaptureWriter(path) as writer:
        record([(plugin, str(LOGS))], writer)
    return path.read_bytes()


def test_a_built_plugin_is_the_plugin(library, load, tmp_path) -> None:
    built, plain = load(library), CloudTrailPlugin()
    assert built.info == plain.info
    assert built.config_schema == plain.config_schema
    assert [field.name for field in built.fields] == [field.name for field in plain.fields]
    assert recorded(built, tmp_path / "built") == recorded(plain, tmp_path / "plain")
    assert check_plugin(built, str(LOGS)) == []


def test_values_are_the_same(library, load) -> None:
    built, plain = load(library), CloudTrailPlugin()
    data = [*HOSTILE, *(event.payload for batch in plain.open(str(LOGS)) for event in batch)]
    numbers = np.arange(1, len(data) + 1, dtype=np.uint64)
    payloads = Payloads(pa.array(data, pa.binary()), numbers, numbers)
    ours, theirs = plain.prepare(payloads), built.prepare(payloads)
    for field in ("ct.id", "ct.name", "ct.user", "ct.error", "ct.readonly", "s3.bytes", "ct.info"):
        expected = plain.extract(ours, field, None).to_arrow().to_pylist()
        assert built.extract(theirs, field, None).to_arrow().to_pylist() == expected, field


def test_failures_reach_the_host(library, load) -> None:
    with pytest.raises(PluginError, match="init configuration: useAsync is not of type boolean"):
        load(library, {"useAsync": 1})
    with pytest.raises(PluginError, match="open failed: plugin cloudtrail: cannot open"):
        load(library).open("nowhere")


@pytest.mark.interop
def test_sysdig_loads_it(sysdig, tmp_path) -> None:
    library = build_plugin(CloudTrailPlugin, tmp_path / "libcloudtrail.so")
    fields = "%evt.num %ct.name %ct.region %ct.user %evt.plugininfo"
    theirs = subprocess.run(
        [sysdig, "-H", str(library), "-I", f"{library}:{LOGS}", "-p", fields, "ct.name exists and ct.user exists"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    capture = tmp_path / "out.scap"
    recorded(CloudTrailPlugin(), capture)
    ours = subprocess.run(
        [sys.executable, "-m", "scaptools.cli.main", "replay", str(capture), "-p", fields, "--filter",
         "ct.name exists and ct.user exists"],
        check=True, capture_output=True, text=True, timeout=60,
    ).stdout  # fmt: skip
    assert theirs.splitlines() == ours.splitlines()
    assert len(ours.splitlines()) > 10


def test_what_cannot_be_built(tmp_path, monkeypatch) -> None:
    class Local(JsonPlugin):
        pass

    with pytest.raises(PluginError, match="not importable by name"):
        build_plugin(Local, tmp_path / "lib.so")
    with pytest.raises(PluginError, match="cannot be built for API 2"):
        build_plugin(JsonPlugin, tmp_path / "lib.so", major=2)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CC", "no-compiler")
    with pytest.raises(PluginError, match="there is no C compiler; install gcc or clang"):
        build_plugin(JsonPlugin, tmp_path / "lib.so")
