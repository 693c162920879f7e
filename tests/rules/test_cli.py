"""``scap rules`` from the outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from scaptools.cli.main import main
from scaptools.testing import CaptureBuilder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Scap = Callable[..., tuple[int, str, str]]

pytestmark = pytest.mark.usefixtures("utc")

RULES = """\
- rule: Deleted
  desc: something was deleted
  source: aws_cloudtrail
  condition: ct.name startswith Delete and not ct.error exists
  output: deleted (%ct.name)
  priority: ERROR
  tags: [t]
- rule: Anything
  desc: an event
  source: aws_cloudtrail
  condition: evt.num>0
  output: seen
  priority: DEBUG
  enabled: false
"""


@pytest.fixture
def scap(
    capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, utc: None
) -> Scap:
    """``scap(*arguments)``: status, standard output and standard error of ``scap rules``, in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.yaml").write_text(RULES)
    builder = CaptureBuilder()
    for name in (b"Get", b"DeleteUser", b"DeleteGroup"):
        builder.plugin_event(b'{"eventName":"%b"}' % name)
    builder.write(tmp_path / "t.scap")

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ending:
            main(["rules", *arguments])
        output, error = capsysbinary.readouterr()
        return int(ending.value.code or 0), output.decode(), error.decode()

    return run


def test_engine_version(scap: Scap) -> None:
    assert scap("--engine-version")[:2] == (0, "0.62.0 (Falco 0.44.0)\n")


ALERTS = "12:26:40.001000000: Error deleted (DeleteUser)\n12:26:40.002000000: Error deleted (DeleteGroup)\n"


def test_run(scap: Scap) -> None:
    status, output, error = scap("run", "my.yaml", "t.scap")
    assert (status, output) == (0, ALERTS)
    assert error == (
        "Events detected: 2\nRule counts by severity:\n   ERROR: 2\nTriggered rules by rule name:\n   Deleted: 2\n"
    )


@pytest.mark.parametrize(
    ("arguments", "status", "alerts"),
    [
        (["-R", "my.yaml", "t.scap"], 0, 2),
        (["-R", "my.yaml", "-r", "t.scap"], 0, 2),
        (["my.yaml", "t.scap", "t.scap"], 0, 4),
        (["my.yaml", "t.scap", "--enable", "Any*"], 0, 3),
        (["my.yaml", "t.scap", "--enable", "*", "--all"], 0, 5),
        (["my.yaml", "t.scap", "--disable", "*"], 0, 0),
        (["my.yaml", "t.scap", "--priority", "critical"], 0, 0),
        (["my.yaml", "t.scap", "-o", "rules[].disable.tag=t"], 0, 0),
        (["my.yaml", "t.scap", "-o", "outputs.rate=0.1", "-o", "outputs.max_burst=1"], 0, 1),
        (["my.yaml", "t.scap", "--exit-code"], 1, 2),
        (["my.yaml", "t.scap", "--exit-code", "--disable", "*"], 0, 0),
        (["cloudtrail", "t.scap"], 0, 1),
        (["my.yaml", "t.scap", "-q"], 0, 0),
    ],
)
def test_what_is_run(scap: Scap, arguments: list[str], status: int, alerts: int) -> None:
    found, output, _ = scap("run", *arguments)
    assert (found, output.count("\n")) == (status, alerts)


def test_json(scap: Scap) -> None:
    status, output, _ = scap("run", "my.yaml", "t.scap", "--json")
    first, second = map(json.loads, output.splitlines())
    assert (status, first["rule"], second["output_fields"]["ct.name"]) == (0, "Deleted", "DeleteGroup")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["my.yaml"], "Name at least one capture"),
        ([], "Name rules"),
        (["missing.yaml", "t.scap"], "missing.yaml: no such rules file; built-in rules: cloudtrail"),
        (["my.yaml", "missing.scap"], "No such file or directory"),
        (["my.yaml", "t.scap", "--http", "nonsense"], "nonsense: no HTTP address"),
        (["my.yaml", "t.scap", "-o", "priority=x"], "priority: 'x' is none of the values there are"),
    ],
)
def test_what_cannot_be_run(scap: Scap, arguments: list[str], message: str) -> None:
    status, output, error = scap("run", *arguments)
    assert (status, output) == (2, "")
    assert message in error


def test_outputs_together(scap: Scap, tmp_path: Path) -> None:
    status, output, error = scap(
        "run", "my.yaml", "t.scap", "--file", "alerts", "--program", "cat >> piped", "--syslog", "unix:none",
        "--patience", "0", "--undelivered", "kept",
    )  # fmt: skip
    assert (status, output) == (2, ALERTS)
    for name in ("alerts", "piped", "kept"):
        assert (tmp_path / name).read_text() == ALERTS
    assert "scap: output file: 2 delivered\n" in error
    assert "scap: output program: 2 delivered\n" in error
    assert "scap: output syslog: 0 delivered, 2 lost (unix:none: No such file or directory)\n" in error
    assert "scap: 2 alerts were not delivered" in error


def test_directories_of_rules(scap: Scap, tmp_path: Path) -> None:
    rules = tmp_path / "rules.d"
    rules.mkdir()
    assert scap("run", "rules.d", "t.scap")[2] == "scap: rules.d: holds no rules file\n"
    (rules / "2.yaml").write_text("- rule: Deleted\n  enabled: false\n  override: {enabled: replace}\n")
    (rules / "1.yml").write_text(RULES)
    (rules / "notes.txt").write_text("[")
    assert scap("run", "rules.d", "t.scap")[:2] == (0, "")


def test_alerts_before_a_fault_are_delivered(scap: Scap, tmp_path: Path) -> None:
    (tmp_path / "bad.scap").write_bytes(b"nothing of the kind")
    status, output, error = scap("run", "my.yaml", "t.scap", "bad.scap", "--file", "alerts")
    assert (status, output) == (2, ALERTS)
    assert (tmp_path / "alerts").read_text() == ALERTS
    assert "bad.scap: is not a capture" in error


def test_damage_is_told(scap: Scap, tmp_path: Path) -> None:
    (tmp_path / "cut.scap").write_bytes((tmp_path / "t.scap").read_bytes()[:-3])
    status, output, error = scap("run", "my.yaml", "cut.scap", "--strict")
    assert (status, output) == (3, ALERTS.splitlines(keepends=True)[0])
    assert "cut.scap: " in error


def test_configuration(scap: Scap, tmp_path: Path) -> None:
    (tmp_path / "falco.yaml").write_text(
        "rules_files: [my.yaml]\nengine: {kind: replay, replay: {capture_file: t.scap}}\n"
        "json_output: true\nfile_output: {enabled: true, filename: alerts}\n"
        "plugins: [{name: cloudtrail, library_path: libcloudtrail.so}]\n"
    )
    status, output, _ = scap("run", "--config", "falco.yaml")
    assert (status, output) == (0, "")
    assert [json.loads(line)["rule"] for line in (tmp_path / "alerts").read_text().splitlines()] == ["Deleted"] * 2
    status, output, _ = scap("run", "--config", "falco.yaml", "-o", "stdout_output.enabled=true", "--enable", "*")
    assert (status, output.count("\n")) == (0, 3)
    nothing = ("run", "--config", "falco.yaml", "-o", "file_output.enabled=false")
    status, output, error = scap(*nothing)
    assert (status, output) == (2, "")
    assert error == "scap: falco.yaml: enables no output; -o stdout_output.enabled=true enables one\n"
    assert scap(*nothing, "-q", "--exit-code") == (1, "", "")


def test_events_after_alerts(scap: Scap, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(RULES.replace("  tags: [t]\n", "  capture: true\n"))
    status, output, error = scap("run", "my.yaml", "t.scap", "--capture", "after")
    assert (status, output, error.splitlines()[-1]) == (0, ALERTS, "scap: captures written: 1")
    assert scap("run", "my.yaml", "after_01600000000001000000_00000000000000000002.scap")[:2] == (0, ALERTS)
    status, output, error = scap("run", "my.yaml", "t.scap", "--capture", "nowhere/after")
    assert (status, output) == (2, ALERTS)
    assert error.splitlines()[-1].startswith("scap: nowhere/after_")
    status, _, error = scap("run", "my.yaml", "t.scap", "--capture", "after", "--workers", "2")
    assert (status, error.splitlines()[-1]) == (
        2,
        "Error: Events after alerts are captured in one process only, without a cluster.",
    )


def test_list(scap: Scap) -> None:
    status, output, _ = scap("list", "my.yaml")
    assert (status, [line.split("  ")[0] for line in output.splitlines()]) == (0, ["Deleted", "Anything"])
    _, output, _ = scap("list", "--json", "--compiled", "my.yaml")
    first, second = map(json.loads, output.splitlines())
    assert first["condition"] == "(ct.name startswith Delete and not ct.error exists)"
    assert (first["enabled"], second["enabled"], first["tags"]) == (True, False, ["t"])


def test_lint(scap: Scap, tmp_path: Path) -> None:
    assert scap("lint", "my.yaml") == (0, "", "1 files, 0 errors, 0 warnings\n")
    (tmp_path / "list.yaml").write_text("- list: l\n  items: []\n")
    status, output, _ = scap("lint", "list.yaml")
    assert status == 0
    assert output == (
        "list.yaml:1:3: warning in list 'l': List not referred to by any other rule/macro/list [LOAD_UNUSED_LIST]\n"
        "    - list: l\n      ^\n"
    )
    assert scap("lint", "--strict", "list.yaml")[0] == 1
    (tmp_path / "bad.yaml").write_text(RULES.replace("evt.num>0", "evt.numb>0"))
    status, output, _ = scap("lint", "list.yaml", "bad.yaml", "my.yaml")
    assert status == 1
    assert "bad.yaml:11:14: error in rule 'Anything'" in output
    assert "filter_check called with nonexistent field evt.numb; did you mean evt.num" in output


def test_lint_as_falco_does(scap: Scap, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("- rule: R\n")
    assert scap("lint", "--format", "falco", "my.yaml", "bad.yaml")[:2] == (
        1,
        (
            "my.yaml: Ok\n"
            "bad.yaml: Invalid\n"
            "1 Errors:\n"
            "In rules content: (bad.yaml:0:0)\n"
            "    rule 'R': (bad.yaml:0:2)\n"
            "------\n- rule: R\n  ^\n------\n"
            "LOAD_ERR_YAML_VALIDATE (Error validating internal structure of YAML file): "
            "Item has no mapping for key 'enabled'\n\n"
        ),
    )
    status, output, _ = scap("lint", "--format", "json", "my.yaml", "bad.yaml")
    results = json.loads(output)["falco_load_results"]
    assert (status, [result["successful"] for result in results]) == (1, [True, False])
    assert results[1]["errors"][0]["code"] == "LOAD_ERR_YAML_VALIDATE"


def test_lint_as_sarif(scap: Scap, tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("\n- list: l\n  items: []\n")
    _, output, _ = scap("lint", "--format", "sarif", "list.yaml")
    log = json.loads(output)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    (result,) = run["results"]
    assert (result["ruleId"], result["level"]) == ("LOAD_UNUSED_LIST", "warning")
    place = result["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]) == ("list.yaml", {"startLine": 2, "startColumn": 3})
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["LOAD_UNUSED_LIST"]


def test_explain(scap: Scap) -> None:
    status, output, _ = scap("explain", "my.yaml", "t.scap", "-n", "2")
    assert status == 0
    assert output == (
        "Deleted: alert\n"
        "  yes all of\n"
        "  yes   ct.name startswith Delete   [ct.name is 'DeleteUser']\n"
        "  yes   not\n"
        "  no      ct.error exists   [ct.error is missing]\n"
        "Anything: matches, but is disabled\n"
        "  yes evt.num > 0   [evt.num is 2]\n"
    )
    status, output, _ = scap("explain", "my.yaml", "t.scap", "-n", "2", "--enable", "*", "--json", "--rule", "Anything")
    assert json.loads(output) == {
        "rule": "Anything",
        "verdict": "matches, but another rule is reported first",
        "explanation": {"condition": "evt.num > 0", "true": True, "values": {"evt.num": 2}, "parts": []},
    }
    assert scap("explain", "my.yaml", "t.scap", "-n", "1")[1].startswith("Deleted: does not match\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["my.yaml", "t.scap", "-n", "4"], "t.scap: has no event 4"),
        (["my.yaml", "t.scap", "-n", "1", "--rule", "X"], "No rule is called 'X'."),
        (["my.yaml", "-n", "1"], "Name one capture."),
    ],
)
def test_what_cannot_be_explained(scap: Scap, arguments: list[str], message: str) -> None:
    status, _, error = scap("explain", *arguments)
    assert (status, message in error) == (2, True)


def test_tests(scap: Scap, tmp_path: Path) -> None:
    (tmp_path / "tests.yaml").write_text(
        "rules: my.yaml\ntests:\n"
        "  - {name: good, capture: t.scap, expect: [{rule: Deleted, count: 2}]}\n"
        "  - {name: bad, capture: t.scap, expect: []}\n"
    )
    status, output, error = scap("test", "tests.yaml", "--junit", "report.xml")
    assert (status, error) == (1, "2 tests, 1 failed\n")
    assert output.splitlines()[:3] == [
        "ok   tests.yaml: good",
        "FAIL tests.yaml: bad",
        "     expected 0 alerts, got 2",
    ]
    assert b'failures="1"' in (tmp_path / "report.xml").read_bytes()
    assert scap("test", "tests.yaml", "-k", "good")[0] == 0
    assert scap("test", "tests.yaml", "-k", "none")[0] == 1


class Down(BaseHTTPRequestHandler):
    """Answers 503 until it is told to be up."""

    def do_POST(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        up = server.up.is_set()
        if up:
            server.bodies.append(body)
        server.asked.set()
        self.send_response(200 if up else 503)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


def test_sigterm_delivers_what_was_found(tmp_path: Path) -> None:
    server: Any = HTTPServer(("127.0.0.1", 0), Down)
    server.up, server.asked, server.bodies = threading.Event(), threading.Event(), []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    (tmp_path / "my.yaml").write_text(RULES)
    builder = CaptureBuilder()
    builder.plugin_event(b'{"eventName":"DeleteUser"}')
    builder.write(tmp_path / "t.scap")
    command = [sys.executable, "-m", "scaptools.cli.main", "rules", "run", "my.yaml", "t.scap"]
    command += ["--http", f"http://127.0.0.1:{server.server_address[1]}/"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert server.asked.wait(20)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        server.up.set()
        output, error = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
        server.shutdown()
        thread.join()
        server.server_close()
    assert [body.endswith(b"Error deleted (DeleteUser)") for body in server.bodies] == [True]
    assert output.endswith(b"Error deleted (DeleteUser)\n")
    assert b"output http: 1 delivered" in error
