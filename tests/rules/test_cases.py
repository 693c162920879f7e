"""Test cases of rules, and what is reported of them."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from scaptools.errors import InputError
from scaptools.rules.cases import CaseResult, read_cases, run_case
from scaptools.rules.junit import junit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scaptools.fields.catalog import Catalog

    Run = Callable[[str], list[CaseResult]]

RULES = """
- rule: Deleted
  desc: d
  source: aws_cloudtrail
  condition: ct.name startswith Delete
  output: deleted by %ct.user (%ct.name)
  priority: ERROR
- rule: Anything
  desc: d
  source: aws_cloudtrail
  condition: evt.num>0
  output: seen
  priority: DEBUG
  enabled: false
"""


@pytest.fixture
def run(tmp_path: Path, catalog: Catalog) -> Run:
    (tmp_path / "my.yaml").write_text(RULES)

    def results(text: str) -> list[CaseResult]:
        path = tmp_path / "tests.yaml"
        path.write_text("rules: my.yaml\n" + textwrap.dedent(text))
        return [run_case(case, str(path), catalog) for case in read_cases(str(path))]

    return results


BOB = "{eventName: DeleteUser, userIdentity: {type: IAMUser, userName: bob}, requestParameters: {n: 1, ok: true}}"


@pytest.mark.parametrize(
    "test",
    [
        f"{{events: [{BOB}], expect: [Deleted]}}",
        f"{{events: [{BOB}], expect: [{{rule: Deleted, output: by bob, priority: error, fields: {{ct.user: bob}}}}]}}",
        f"{{events: [{BOB}, {BOB}], expect: [{{rule: Deleted, count: 2}}]}}",
        '{events: [\'{"eventName":"DeleteX"}\'], expect: [{rule: Deleted, fields: {ct.user: ~}}]}',
        "{events: [{eventName: Get}], expect: []}",
        "{events: [], expect: []}",
        f"{{events: [{BOB}, {{eventName: Get}}], enable: [Any*], expect: [Deleted, Anything]}}",
        f"{{events: [{BOB}], enable: [Any*], rule_matching: all, expect: [Deleted, Anything]}}",
        f"{{events: [{BOB}], disable: [Del*], expect: []}}",
        f"{{events: [{BOB}, {BOB}], contains: true, expect: [Deleted]}}",
        f"{{events: [{BOB}], rules: cloudtrail, expect: []}}",
    ],
)
def test_passing(run: Run, test: str) -> None:
    (result,) = run(f"tests: [{test}]")
    assert (result.failure, result.error) == ("", "")


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (f"{{events: [{BOB}], expect: []}}", "expected 0 alerts, got 1"),
        ("{events: [], expect: [Deleted]}", "expected 1 alerts, got 0"),
        (f"{{events: [{BOB}], expect: [Other]}}", "alert 1: rule is 'Deleted', not 'Other'"),
        (
            f"{{events: [{BOB}], expect: [{{rule: Deleted, output: by eve}}]}}",
            "alert 1: output does not hold 'by eve': deleted by bob (DeleteUser)",
        ),
        (
            f"{{events: [{BOB}], expect: [{{rule: Deleted, fields: {{ct.user: eve, ct.id: x}}, priority: info}}]}}",
            "alert 1: priority is Error, not info; ct.user is 'bob', not 'eve'; output has no field ct.id",
        ),
        (
            f"{{events: [{BOB}], contains: true, expect: [{{rule: Deleted, output: by eve}}]}}",
            "expected an alert of 'Deleted': output does not hold 'by eve': deleted by bob (DeleteUser)",
        ),
        (f"{{events: [{BOB}], contains: true, expect: [Other]}}", "expected an alert of 'Other': no such alert"),
    ],
)
def test_failing(run: Run, test: str, message: str) -> None:
    (result,) = run(f"tests: [{test}]")
    assert result.failure.splitlines()[0] == message
    assert not result.passed


def test_the_listing_of_a_failure(run: Run) -> None:
    (result,) = run(f"tests: [{{events: [{BOB}], expect: [Deleted, Other]}}]")
    assert result.failure.splitlines() == [
        "expected 2 alerts, got 1",
        "- expected, + got:",
        "  Deleted",
        "- Other",
        "got: event 1 Error Deleted: deleted by bob (DeleteUser)",
    ]


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("{capture: missing.scap, expect: []}", "No such file"),
        ("{events: [], rules: [missing.yaml], expect: []}", "LOAD_ERR_FILE_READ"),
        ("{events: [], plugin: nobody, expect: []}", "no plugin 'nobody' produces events"),
    ],
)
def test_what_cannot_run(run: Run, test: str, message: str) -> None:
    (result,) = run(f"tests: [{test}]")
    assert message in result.error


@pytest.mark.parametrize(
    "text",
    [
        "tests: x",
        "tests: [x]",
        "tests: [{expect: []}]",
        "tests: [{events: [], capture: x, expect: []}]",
        "tests: [{events: []}]",
        "tests: [{events: [], expect: [], nonsense: 1}]",
        "tests: [{events: [], expect: [{output: x}]}]",
        "tests: [{events: [], expect: [{rule: R, nonsense: 1}]}]",
        "tests: [{events: [], expect: [{rule: R, count: 0}]}]",
        "tests: [{events: [], expect: [], rule_matching: some}]",
    ],
)
def test_what_is_no_test(run: Run, text: str) -> None:
    with pytest.raises(InputError):
        run(text)


def test_numbers_and_truths_of_inline_events(run: Run) -> None:
    event = BOB.replace("DeleteUser", "X")
    condition = "json.value[/requestParameters/n]=1 and json.value[/requestParameters/ok]=true"
    (result,) = run(f"tests: [{{events: [{event}], enable: ['*'], expect: [Anything]}}]")
    assert result.passed, condition


def test_junit(run: Run) -> None:
    good = "{name: good, events: [], expect: []}"
    results = run(f'tests: [{good}, {{name: "b\\x01d", events: [{BOB}], expect: []}}]')
    root = ET.fromstring(junit(results))  # noqa: S314 - our own
    assert root.attrib | {"time": ""} == {"tests": "2", "failures": "1", "errors": "0", "time": ""}
    first, second = root.iter("testcase")
    assert (first.get("name"), len(first)) == ("good", 0)
    assert second.get("name") == "b\ufffdd"
    (failure,) = second
    assert (failure.tag, failure.get("message")) == ("failure", "expected 0 alerts, got 1")
