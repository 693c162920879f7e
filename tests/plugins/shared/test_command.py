"""Shared libraries on the command line, and beside sysdig."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from scaptools.api import open_capture
from scaptools.capture.writer import CaptureWriter
from scaptools.errors import PluginError
from scaptools.plugins.config import PluginConfig
from scaptools.plugins.host import PluginHost
from scaptools.plugins.loading import Loader
from scaptools.record import record


def scap(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scaptools.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


def test_record_and_look(build, tmp_path) -> None:
    library, out = build("sample.c", "3.12.0"), str(tmp_path / "out.scap")
    done = scap("record", library, "5", "--init", '{"prefix": "x"}', "-w", out)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"5 events, 60 bytes of payload written to {out}\n"
    done = scap("info", out)
    assert done.returncode == 0
    assert "pluginevent" in done.stdout


def test_data_and_noise_are_apart(build) -> None:
    library = build("faulty.c", "2.0.0", FAULT='"stdout"')
    for options in ([], ["--in-process"]):
        command = [sys.executable, "-m", "scaptools.cli.main", "record", library, "-w", "-", *options]
        done = subprocess.run(command, capture_output=True, timeout=60)
        assert done.returncode == 0
        assert done.stdout.startswith(bytes.fromhex("0a0d0d0a"))
        assert b"printed" not in done.stdout
        assert done.stderr.count(b"printed by the plugin") == 2


def test_failures_have_their_status(build, tmp_path) -> None:
    out = tmp_path / "out.scap"
    done = scap("record", build("faulty.c", "2.0.0", FAULT='"segfault"'), "-w", str(out))
    assert done.returncode == 4
    assert done.stderr == "scap: plugin faulty: crashed in next_batch (SIGSEGV)\n"
    with open_capture(out) as capture:
        assert sum(map(len, capture.batches())) == 3
    done = scap("record", build("faulty.c", "2.0.0", FAULT='"hang"'), "-w", str(out), "--plugin-timeout", "1")
    assert done.returncode == 4
    assert done.stderr == "scap: plugin faulty: did not come back from next_batch within 1 s\n"


def test_same_names_are_told(build, tmp_path) -> None:
    first, second = build("sample.c", "3.12.0"), build("sample.c", "2.0.0")
    done = scap("record", first, "1", "--and", second, "1", "-w", str(tmp_path / "out.scap"))
    assert done.returncode == 4
    assert done.stderr == f"scap: plugin sample: has the name of another: {first} and {second}\n"


def test_same_fields_are_told(build) -> None:
    first = build("sample.c", "3.12.0")
    second = build("sample.c", "3.12.0", PLUGIN_NAME='"twin"', PLUGIN_ID=998, PLUGIN_SOURCE='"twin"')
    host = PluginHost([Loader(in_process=True).load(first), Loader(in_process=True).load(second)])
    from scaptools.fields.catalog import Catalog

    with pytest.raises(PluginError, match=r"plugin twin: declares field sample.number, which sample has"):
        _ = Catalog(host).registry


def test_two_sources_and_their_own_fields(build, tmp_path) -> None:
    more = {"PLUGIN_NAME": '"twin"', "PLUGIN_ID": 998, "PLUGIN_SOURCE": '"twin"', "FIELD_PREFIX": '"twin"'}
    loader = Loader()
    one, other = loader.load(build("sample.c", "0.3.0")), loader.load(build("sample.c", "3.12.0", **more))
    out = tmp_path / "out.scap"
    with CaptureWriter(out) as writer:
        record([(one, "4"), (other, "3,0,2")], writer)
    with open_capture(out, plugins=PluginHost([one, other])) as capture:
        table = capture.select(["evt.source", "sample.number", "twin.text"]).to_pydict()
        assert sorted(table["evt.source"]) == ["sample"] * 4 + ["twin"] * 3
        assert sorted(value for value in table["sample.number"] if value is not None) == [0, 1, 2, 3]
        texts = [value for value in table["twin.text"] if value is not None]
        assert texts == ["event 0", "event 1 word", "event 2 word word"]
        assert [event["sample.number"] for event in capture.filter("sample.number >= 2")] == [2, 3]


@pytest.mark.parametrize("init", ['\'{"prefix": "c"}\'', "{prefix: c}"])
def test_configuration(build, tmp_path, init) -> None:
    library = build("sample.c", "2.0.0")
    config = tmp_path / "falco.yaml"
    config.write_text(
        "plugins:\n"
        f"  - {{name: sample, library_path: {library}, init_config: {init}, open_params: '3'}}\n"
        "  - {name: other, library_path: nowhere.so}\n"
        "  - {name: json, library_path: libjson.so}\n"
        "load_plugins: [json, sample]\n"
    )
    out = tmp_path / "out.scap"
    done = scap("record", "--config", str(config), "-w", str(out))
    assert done.returncode == 0, done.stderr
    loaded = [plugin for plugin, _ in PluginConfig.read(str(config)).load(Loader())]
    assert [plugin.info.name for plugin in loaded] == ["sample", "json"]
    with open_capture(out, plugins=PluginHost(loaded)) as capture:
        assert [event["sample.text"] for event in capture.events()][:2] == ["cevent 0", "cevent 1 word"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", "is not a configuration"),
        ("a: [", "is not YAML"),
        ("plugins: 1", "plugins is no list"),
        ("plugins: [1]", "entry 0 of plugins is no mapping"),
        ("plugins: [{name: x}]", "entry 0 of plugins has no library_path"),
        ("load_plugins: [x]", "load_plugins names x, which plugins does not have"),
        ("load_plugins: x", "load_plugins is no list of names"),
        ("plugins: []", "loads no plugin that produces events"),
    ],
)
def test_wrong_configurations(tmp_path, text, message) -> None:
    config = tmp_path / "falco.yaml"
    config.write_text(text)
    done = scap("record", "--config", str(config), "-w", str(tmp_path / "out.scap"))
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "out.scap").exists()


def test_name_in_the_configuration_must_be_the_plugins(build, tmp_path) -> None:
    config = tmp_path / "falco.yaml"
    config.write_text(f"plugins: [{{name: sampler, library_path: {build('sample.c', '2.0.0')}}}]")
    with pytest.raises(PluginError, match="calls itself sample, not sampler as configured"):
        PluginConfig.read(str(config)).load(Loader())


def test_interrupt_ends_cleanly(build, tmp_path) -> None:
    out = tmp_path / "out.scap"
    command = [
        sys.executable,
        "-m",
        "scaptools.cli.main",
        "record",
        build("sample.c", "3.12.0"),
        "100000000",
        "-w",
        out,
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        _wait_for_events(out)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    events = int(errors.split()[0])
    with open_capture(out) as capture:
        assert sum(map(len, capture.batches())) == events
        assert capture.damage == []


def test_killed_recording_is_readable(build, tmp_path) -> None:
    out = tmp_path / "out.scap"
    command = [sys.executable, "-m", "scaptools.cli.main", "record", build("sample.c", "0.3.0"), "100000000", "-w", out]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        _wait_for_events(out)
        process.kill()
    with open_capture(out) as capture:
        assert sum(map(len, capture.batches())) > 1000
        assert all(damage.truncated for damage in capture.damage)


def test_limits_of_a_recording(build, tmp_path) -> None:
    library, out = build("sample.c", "3.12.0"), tmp_path / "out.scap"
    done = scap("record", library, "100000000", "-n", "70000", "-w", str(out))
    assert done.stderr.startswith("70000 events")
    started = time.monotonic()
    done = scap("record", library, "100000000", "--duration", "0.3", "-w", os.devnull)
    assert done.returncode == 0
    assert time.monotonic() - started < 20


def test_rotation(build, tmp_path) -> None:
    done = scap("record", build("sample.c", "3.12.0"), "10", "-w", str(tmp_path / "out.scap"), "--max-events", "4")
    assert done.returncode == 0, done.stderr
    counts = []
    for path in sorted(tmp_path.glob("out*.scap*")):
        with open_capture(path) as capture:
            counts.append(sum(map(len, capture.batches())))
    assert counts == [4, 4, 2]


def test_replay_prints_plugin_fields(build, tmp_path) -> None:
    library, out = build("sample.c", "3.12.0"), str(tmp_path / "out.scap")
    assert scap("record", library, "4", "-w", out).returncode == 0
    options = ["--plugin", library, "--filter", "sample.number > 1", "--json", "--fields", "sample.number,sample.words"]
    done = scap("replay", out, *options)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"sample.number": 2, "sample.words": ["event", "2", "word", "word"]},
        {"sample.number": 3, "sample.words": ["event", "3"]},
    ]


@pytest.mark.parametrize("version", ["0.2.0", "3.12.0"])
def test_check_and_info(build, version) -> None:
    library = build("sample.c", version)
    done = scap("plugins", "check", library, "--open", "50")
    assert (done.returncode, done.stdout) == (0, "")
    done = scap("plugins", "info", library)
    assert "sample.number" in done.stdout
    done = scap("plugins", "check", build("faulty.c", "2.0.0", FAULT='"failure"'), "--open", "")
    assert done.returncode == 1
    assert "events: plugin faulty: reading events failed: the fault's own words" in done.stdout


@pytest.mark.interop
def test_sysdig_records_the_same(build, sysdig, tmp_path) -> None:
    library = build("sample.c", "0.3.0")
    theirs, ours = tmp_path / "sysdig.scap", tmp_path / "scap.scap"
    params = "5000,0,100"
    subprocess.run(
        [sysdig, "-H", library, "-I", f"{library}:{params}", "-w", str(theirs)], check=True, capture_output=True
    )
    assert scap("record", library, params, "-w", str(ours)).returncode == 0
    assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.interop
def test_sysdig_extracts_the_same(build, sysdig, tmp_path) -> None:
    library, path = build("sample.c", "0.3.0"), str(tmp_path / "out.scap")
    assert scap("record", library, "200", "-w", path).returncode == 0
    form = "%evt.num %sample.number %sample.text %sample.evtnum %evt.plugininfo %evt.pluginname"
    for expression in ("sample.number >= 190", "sample.even exists and sample.number < 9", "sample.text contains word"):
        theirs = subprocess.run(
            [sysdig, "-H", f'{library}:{{"prefix": "p"}}', "-r", path, "-p", form, expression],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        ours = scap("replay", path, "-H", f'{library}:{{"prefix": "p"}}', "-p", form, "--filter", expression).stdout
        assert ours == theirs
        assert ours


def _wait_for_events(path) -> None:
    deadline = time.monotonic() + 30
    while not (path.exists() and path.stat().st_size > 1_000_000):
        assert time.monotonic() < deadline
        time.sleep(0.01)
