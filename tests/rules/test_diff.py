"""Sets of alerts compared, from the outside."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaptools.cli.main import main
from scaptools.errors import InputError
from scaptools.rules.alertfiles import AlertFile, read_alerts
from scaptools.rules.comparison import compare_alerts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Diff = Callable[..., tuple[int, str, str]]

TEXT = """\
00:00:01.000000000: Warning a thing (user=bob)
00:00:02.000000000: Error two
lines
00:00:03.000000000: Error last
Events detected: 3
Rule counts by severity:
   ERROR: 2
"""


def alert(second: int, rule: str = "R", message: str = "m", **keys: Any) -> dict[str, Any]:
    time = f"2021-06-01T00:00:{second:02}.000000000"
    priority = keys.get("priority", "Warning")
    return {
        "hostname": "here",
        "output": f"00:00:{second:02}.000000000: {priority} {message}",
        "output_fields": {"evt.time": second, "ct.name": message},
        "priority": priority,
        "rule": rule,
        "source": "aws_cloudtrail",
        "tags": ["t"],
        "time": f"{time}Z",
        **keys,
    }


def lines(*alerts: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(one)}\n" for one in alerts)


@pytest.fixture
def diff(
    capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """``diff(before, after, *options)``: status and output for two texts."""
    monkeypatch.chdir(tmp_path)

    def run(before: str, after: str, *options: str) -> tuple[int, str, str]:
        (tmp_path / "before").write_text(before)
        (tmp_path / "after").write_text(after)
        with pytest.raises(SystemExit) as ending:
            main(
                [*options, "diff", "before", "after"] if "--color" in options else ["diff", "before", "after", *options]
            )
        output, error = capsysbinary.readouterr()
        return int(ending.value.code or 0), output.decode(), error.decode()

    return run


def test_equal_sets(diff: Diff) -> None:
    one, other = alert(1), alert(2)
    assert diff(lines(one, other), lines(other | {"hostname": "there"}, one)) == (
        0,
        "",
        "2 and 2 alerts: 2 the same, 0 removed, 0 added, 0 changed\n",
    )
    assert diff("", "")[0] == 0
    assert diff(TEXT, TEXT)[0] == 0


def test_differences(diff: Diff) -> None:
    before = lines(alert(1), alert(2, "Gone", "old"), alert(3), alert(3))
    after = lines(alert(1, message="n", tags=[]), alert(2, "New", "young"), alert(3))
    status, output, error = diff(before, after)
    assert status == 1
    assert output.splitlines() == [
        "! 2021-06-01T00:00:01.000000000Z R",
        "    message:",
        "      - m",
        "      + n",
        "    output_fields.ct.name:",
        "      - m",
        "      + n",
        "    tags:",
        '      - ["t"]',
        "      + []",
        "- 2021-06-01T00:00:02.000000000Z Gone: Warning old",
        "+ 2021-06-01T00:00:02.000000000Z New: Warning young",
        "- 2021-06-01T00:00:03.000000000Z R: Warning m",
    ]
    assert error == "4 and 3 alerts: 1 the same, 2 removed, 1 added, 1 changed\n"


def test_what_is_there_on_one_side_only(diff: Diff) -> None:
    plain = alert(1)
    del plain["tags"]
    _, output, _ = diff(lines(plain), lines(alert(1)))
    assert output == '! 2021-06-01T00:00:01.000000000Z R\n    tags:\n      + ["t"]\n'


def test_colour(diff: Diff) -> None:
    _, output, _ = diff(lines(alert(1), alert(2)), lines(alert(2, message="n"), alert(3)), "--color", "always")
    assert output.splitlines()[0] == "\x1b[31m- 2021-06-01T00:00:01.000000000Z R: Warning m\x1b[0m"
    assert "\x1b[33m! " in output
    assert "\x1b[32m+ " in output
    assert "\x1b" not in diff(lines(alert(1)), "")[1]


def test_ignored_keys(diff: Diff) -> None:
    before, after = lines(alert(1)), lines(alert(1, message="n", priority="Error"))
    assert diff(before, after, "--ignore", "message", "--ignore", "priority")[0] == 1
    ignored = ["--ignore", "message", "--ignore", "priority", "--ignore", "output_fields.ct.name"]
    assert diff(before, after, *ignored)[0] == 0
    assert diff(before, after, *ignored[:4], "--ignore", "output_fields")[0] == 0


def test_json(diff: Diff) -> None:
    status, output, _ = diff(lines(alert(1)), lines(alert(1, tags=[]), alert(2)), "--json")
    changed, added = (json.loads(line) for line in output.splitlines())
    assert status == 1
    assert (changed["kind"], changed["rule"], changed["changed"]) == ("changed", "R", ["tags"])
    assert (changed["before"]["tags"], changed["after"]["tags"]) == (["t"], [])
    assert (added["kind"], added["time"], added["before"]) == ("added", "2021-06-01T00:00:02.000000000Z", None)


def test_quiet(diff: Diff) -> None:
    assert diff(lines(alert(1)), "", "-q") == (1, "", "")


def test_text_with_line_breaks_and_a_summary(diff: Diff) -> None:
    assert diff(TEXT, TEXT.replace("lines", "breaks"))[1] == (
        "! 00:00:02.000000000\n    message:\n      - two\n        lines\n      + two\n        breaks\n"
    )


def test_text_and_json(diff: Diff) -> None:
    text = "00:00:01.000000000: Warning m\n00:00:02.000000000: Error m\n"
    assert diff(text, lines(alert(1, tags=[]), alert(2, priority="Error")))[0] == 0
    assert diff(text, lines(alert(1), alert(2)))[1] == (
        "! 00:00:02.000000000\n    priority:\n      - Error\n      + Warning\n"
    )


def test_golden_files_and_alerts(diff: Diff) -> None:
    golden = {
        "number": 7,
        "time_ns": 1_622_505_601_000_000_000,
        "rule": "R",
        "priority": "Warning",
        "source": "aws_cloudtrail",
        "tags": ["t"],
        "message": "m",
        "fields": {"ct.name": "m"},
    }
    assert diff(lines(golden), lines(alert(1)), "--ignore", "event")[0] == 0
    assert diff(lines(golden), lines(golden | {"number": 8}))[1].splitlines()[1:] == [
        "    event:",
        "      - 7",
        "      + 8",
    ]


def test_notices_have_no_time_in_their_output(diff: Diff) -> None:
    notice = {"output": "something fell", "priority": "Debug", "rule": "Falco internal: x", "time": "t"}
    assert diff(lines(notice), "")[1] == "- t Falco internal: x: Debug something fell\n"


@pytest.mark.parametrize(
    ("before", "message"),
    [
        ("no alert\n", "scap: before: line 1 is no alert; alerts are Falco's text lines or its JSON objects\n"),
        ("{}\n", "scap: before: line 1 is no alert: it is no JSON object with a rule\n"),
        (lines(alert(1)) + "[]\n", "scap: before: line 2 is no alert: it is no JSON object with a rule\n"),
        ('\n{"rule":\n', "scap: before: line 2 is no alert: Expecting value: line 1 column 9 (char 8)\n"),
        ('{"rule":' + "[" * 100_000, "scap: before: line 1 is no alert: it is nested too deeply\n"),
    ],
)
def test_what_is_no_alert(diff: Diff, before: str, message: str) -> None:
    assert diff(before, "") == (2, "", message)


def test_standard_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines(alert(1)).encode())))
    assert len(read_alerts("-")) == 1
    with pytest.raises(SystemExit) as ending:
        main(["diff", "-", "-"])
    assert ending.value.code == 2
    with pytest.raises(InputError, match="No such file"):
        read_alerts(str(tmp_path / "nowhere"))


ALERTS = st.lists(st.tuples(st.integers(1, 3), st.sampled_from("RS"), st.sampled_from("mn")), max_size=6)


@given(ALERTS, ALERTS)
def test_what_is_told_leads_from_one_set_to_the_other(before: list[Any], after: list[Any]) -> None:
    def file(alerts: list[Any]) -> AlertFile:
        found = [json.dumps(alert(*one)).encode() for one in alerts]
        return AlertFile("x", is_text=False, lines=[(line, at) for at, line in enumerate(found)])

    comparison = compare_alerts(file(before), file(after))
    counts = comparison.counts()
    assert comparison.same + counts["removed"] + counts["changed"] == len(before)
    assert comparison.same + counts["added"] + counts["changed"] == len(after)
    assert (not comparison.differences) == (sorted(before) == sorted(after))
    for difference in comparison.differences:
        if difference.kind == "changed":
            assert list(difference.changes())
