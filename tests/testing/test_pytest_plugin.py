"""The fixtures, used by tests that run inside of this one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["pytester"]

OPTIONS = ("-p", "scaptools.testing.pytest_plugin", "-p", "no:cacheprovider", "-p", "no:cov", "-q")

TESTS = """
RULES = '''
- rule: Deleted
  desc: d
  source: aws_cloudtrail
  condition: ct.name startswith Delete
  output: deleted (%ct.name)
  priority: ERROR
'''

def found(rule_set, alerts, capture_builder, tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text(RULES)
    capture_builder.plugin_event(b'{"eventName":"NAME"}').plugin_event(b"{}")
    return alerts(rule_set(path), capture_builder)

def test_alerts(rule_set, alerts, capture_builder, tmp_path):
    (alert,) = found(rule_set, alerts, capture_builder, tmp_path)
    assert (alert.rule, alert.fields["ct.name"]) == ("Deleted", "NAME")

def test_bytes_and_paths(rule_set, alerts, capture_builder, tmp_path):
    rules = rule_set("cloudtrail")
    capture_builder.plugin_event(b'{"eventName":"CreateUser"}')
    data = capture_builder.to_bytes()
    path = capture_builder.write(tmp_path / "t.scap")
    assert alerts(rules, data) == alerts(rules, path) == alerts(rules, capture_builder, raw_events=True)

def test_golden(rule_set, alerts, capture_builder, tmp_path, golden_alerts):
    golden_alerts(found(rule_set, alerts, capture_builder, tmp_path), "golden/found.alerts")
"""


def run(pytester: pytest.Pytester, name: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(test_it=TESTS.replace("NAME", name))
    return pytester.runpytest_inprocess(*OPTIONS, *arguments)


def golden(pytester: pytest.Pytester) -> Path:
    return pytester.path / "golden" / "found.alerts"


def test_golden_files(pytester: pytest.Pytester) -> None:
    missing = run(pytester, "DeleteUser")
    missing.assert_outcomes(passed=2, failed=1)
    missing.stdout.fnmatch_lines(["*does not exist; run pytest with --update-golden to write it"])

    run(pytester, "DeleteUser", "--update").assert_outcomes(passed=3)
    assert [json.loads(line) for line in golden(pytester).read_text().splitlines()] == [
        {
            "number": 1,
            "time_ns": 1_600_000_000_000_000_000,
            "rule": "Deleted",
            "priority": "Error",
            "source": "aws_cloudtrail",
            "tags": [],
            "message": "deleted (DeleteUser)",
            "fields": {"ct.name": "DeleteUser"},
        }
    ]
    run(pytester, "DeleteUser").assert_outcomes(passed=3)

    changed = run(pytester, "DeleteGroup")
    changed.assert_outcomes(passed=2, failed=1)
    changed.stdout.fnmatch_lines(
        [
            "! 2020-09-13T12:26:40.000000000Z Deleted",
            "*message:",
            "*- deleted (DeleteUser)",
            "*+ deleted (DeleteGroup)",
            "*output_fields.ct.name:",
            "*- DeleteUser",
            "*+ DeleteGroup",
        ],
        consecutive=True,
    )
    run(pytester, "DeleteGroup", "--update-golden").assert_outcomes(passed=3)
    run(pytester, "DeleteGroup").assert_outcomes(passed=3)


def test_damaged_golden_files(pytester: pytest.Pytester) -> None:
    golden(pytester).parent.mkdir()
    golden(pytester).write_text('{"rule":\n')
    run(pytester, "DeleteUser").stdout.fnmatch_lines(["*found.alerts: line 1 is no alert: *"])
