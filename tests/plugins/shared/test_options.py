"""Plugins named on the command line, wherever fields can be asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scaptools.capture.writer import CaptureWriter
from scaptools.record import record


def scap(*arguments: str) -> str:
    command = [sys.executable, "-m", "scaptools.cli.main", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def recorded(build, load, tmp_path) -> tuple[str, str]:
    library, path = build("sample.c", "3.12.0"), tmp_path / "out.scap"
    with CaptureWriter(path) as writer:
        record([(load(library), "5")], writer)
    return library, str(path)


def test_commands(recorded, tmp_path) -> None:
    library, path = recorded
    options = ["--plugin", f'{library}:{{"prefix": "x"}}']
    assert scap("dump", path, *options, "-n", "2", "-p", "%sample.number %sample.text") == "0 event 0\n1 event 1 word\n"
    assert '"prefix"' in scap("filter", "sample.number = 4", path, *options, "-p", "%sample.config")
    assert scap("filter", "-c", "sample.number > 2", path, *options) == "2\n"
    assert scap("info", path, *options).count("plugin sample, 5 events") == 1
    assert scap("fields", "sample.n", *options).split()[0] == "sample.number"
    assert scap("sql", 'select sum("sample.number") n from events', path, *options, "--csv").split() == ['"n"', "10"]
    table = tmp_path / "out.csv"
    scap("export", path, str(table), *options, "--fields", "sample.number,sample.even", "--where", "sample.number < 2")
    assert table.read_text() == '"sample.number","sample.even"\n0,"even"\n1,\n'
    part = tmp_path / "part.scap"
    scap("filter", "sample.number = 3", path, *options, "--minimal", "-w", str(part))
    assert scap("dump", str(part), *options, "-p", "%sample.text") == "event 3\n"


def test_plugins_of_a_configuration(recorded, tmp_path) -> None:
    library, path = recorded
    config = tmp_path / "falco.yaml"
    config.write_text(f"plugins: [{{name: sample, library_path: {library}, init_config: {{prefix: x}}}}]")
    options = ["--config", str(config)]
    assert '"prefix"' in scap("filter", "sample.number = 4", path, *options, "-p", "%sample.config")
    assert scap("dump", path, *options, "--in-process", "-n", "1", "-p", "%sample.text") == "event 0\n"


def test_alerts(recorded, tmp_path) -> None:
    library, path = recorded
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "- {rule: Word, desc: d, condition: sample.text contains word, priority: INFO, source: sample,"
        " output: found %sample.number}\n"
    )
    alerts = scap("replay", path, "-R", str(rules), "--plugin", library)
    assert [line.partition(": ")[2] for line in alerts.splitlines()] == [f"Informational found {n}" for n in (1, 2, 4)]
    assert scap("replay", path, "-R", str(rules), "--plugin", library, "--speed", "1000") == alerts
    config = tmp_path / "falco.yaml"
    plugins = f"plugins: [{{name: sample, library_path: {library}}}]\n"
    config.write_text(plugins + f"rules_files: [{rules}]\nstdout_output: {{enabled: true}}\n")
    assert scap("rules", "run", "--config", str(config), path) == alerts


def test_a_recording_that_cannot_begin_leaves_files_alone(recorded) -> None:
    library, path = recorded
    before = Path(path).read_bytes()
    command = [sys.executable, "-m", "scaptools.cli.main", "record", library, "none", "-w", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 4
    assert done.stderr == "scap: plugin sample: open failed: open parameters are no numbers: none\n"
    assert Path(path).read_bytes() == before
