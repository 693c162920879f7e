from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result

from scaptools.testing import CaptureBuilder

Run = Callable[..., Result]
SCAP = Path(sys.executable).with_name("scap")
LONG = bytes(range(32, 127)) + b"\nend"


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    builder = CaptureBuilder()
    builder.event("read", [bytes(8), bytes(4)], tid=7, ts=1_600_000_000_000_000_005)
    builder.event("read", [(99).to_bytes(8, "little"), LONG], exit=True, tid=7, ts=1_600_000_001_500_000_005)
    builder.event("write", [bytes(8), bytes(4)], tid=8, ts=1_600_000_002_000_000_006)
    return builder.write(tmp_path / "some.scap")


@pytest.mark.parametrize(
    ("letter", "times"),
    [
        ("a", ["1600000000.5", "1600000001.500000005", "1600000002.6"]),
        ("r", ["0.000000000", "1.500000000", "2.000000001"]),
        ("d", ["0.000000000", "1.500000000", "0.000000000"]),
        ("D", ["0.000000000", "1.500000000", "0.500000001"]),
        ("h", ["12:26:40.000000005", "12:26:41.500000005", "12:26:42.000000006"]),
    ],
)
def test_time_styles(run: Run, capture: Path, letter: str, times: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    lines = run("dump", "-t", letter, capture).stdout.splitlines()
    assert [line.split()[1] for line in lines] == times


def test_the_time_since_the_line_before_counts_only_what_is_printed(run: Run, capture: Path) -> None:
    assert run(
        "filter", "evt.dir=>", "-t", "D", "-p", "%evt.outputtime %evt.deltatime", capture
    ).stdout.splitlines() == [
        "0.000000000 0",
        "2.000000001 2000000001",
    ]
    # In a filter every event counts.
    assert run("filter", "evt.deltatime=500000001", "-p", "%evt.num", capture).stdout == "3\n"


def test_one_format_may_use_a_remembering_field_twice(run: Run, capture: Path) -> None:
    lines = run("dump", "-t", "D", "-p", "%evt.outputtime %evt.outputtime %evt.deltatime.ns", capture).stdout
    assert lines.splitlines()[1] == "1.500000000 1.500000000 500000000"


@pytest.mark.parametrize(
    ("option", "text"),
    [
        (None, "data=" + LONG[:77].decode() + "... "),
        ("-v", "data=" + LONG[:-4].decode() + ".end "),
        ("-A", "data=\n" + LONG.decode() + " "),
        ("-b", "data=ICEiIyQlJicoKSorLC0uLzAx"),
        ("-x", "data=\n\t0x0000: 2021 2223 2425 2627 2829 2a2b 2c2d 2e2f\n\t0x0010: 3031"),
        ("-X", "data=\n\t0x0000: 2021 2223 2425 2627 2829 2a2b 2c2d 2e2f   !\"#$%&'()*+,-./\n\t0x0010: 3031"),
    ],
)
def test_buffer_modes(run: Run, capture: Path, option: str | None, text: str) -> None:
    options = [] if option is None else [option]
    done = run("filter", "evt.num=2", *options, capture)
    assert text in done.stdout
    assert run("filter", "evt.num=2", *options, "-p", "%evt.arg.data", capture).stdout.startswith(
        text[len("data=") : -1]
    )


def test_presets(run: Run, capture: Path) -> None:
    container = (
        "*%evt.num %evt.outputtime %evt.cpu %container.name (%container.id) %proc.name (%thread.tid:%thread.vtid)"
    )
    assert run("dump", "-pc", "-pp").stdout.startswith(container)
    assert run("dump", "-pp", "-pcontainer").stdout == run("dump", "-pc", "-pp").stdout
    assert run("dump", "-pp", "-p", "%evt.num").stdout == "%evt.num\n"
    assert "<NA> (host) <NA> (7:<NA>)" in run("dump", "-pk", capture).stdout.splitlines()[0]
    assert run("dump", "-pm", capture).stdout == run("dump", "-pmesos", capture).stdout


def test_json_as_sysdig_has_it(run: Run, capture: Path) -> None:
    first = run("dump", "-j", capture).stdout.splitlines()[0]
    assert list(json.loads(first)) == sorted(json.loads(first))
    assert json.loads(first)["evt.outputtime"] == 1_600_000_000_000_000_005
    assert (
        run("dump", "-j", "-p", "%evt.num", capture).stdout == run("dump", "--json", "-p", "%evt.num", capture).stdout
    )
    assert run("dump", "-j", "--fields", "evt.num", capture).stdout.startswith('{"evt.num":1}\n')
    (line,) = run("filter", "evt.num=2", "-j", "-x", capture).stdout.splitlines()
    assert json.loads(line)["evt.info"].startswith("res=99 data=\n\t0x0000: 2021")


def test_colors_are_for_terminals(run: Run, capture: Path) -> None:
    always = subprocess.run([SCAP, "--color", "always", "dump", "-n1", capture], capture_output=True, check=True).stdout
    assert b"\x1b[01;34mread\x1b[00m" in always
    assert b"\x1b" not in run("dump", capture).stdout_bytes
    for environment, colored in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        main, child = pty.openpty()
        settings = {**os.environ, "TERM": "xterm", **environment}
        subprocess.run([SCAP, "dump", "-n1", capture], stdout=child, env=settings, check=True)
        os.close(child)
        assert (b"\x1b[01;34m" in os.read(main, 10_000)) == colored
        os.close(main)


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (["--slice", "2:3"], [2, 3]),
        (["--slice", ":1"], [1]),
        (["--slice", "3:"], [3]),
        (["--slice", "4:9"], []),
        (["--skip", "1"], [2, 3]),
        (["--skip", "1", "-n", "1"], [2]),
        (["--skip", "5"], []),
        (["--after", "+1.5s"], [2, 3]),
        (["--after", "+1.500000001s"], [3]),
        (["--before", "+1500ms"], [1]),
        (["--before", "2020-09-13T12:26:41.500000005Z"], [1]),
        (["--after", "2020-09-13 14:26:41.5+02:00"], [2, 3]),
        (["--after", "1600000001500000005", "--before", "12:26:42"], [2]),
        (["--after", "2020-09-13", "--before", "2020-09-14"], [1, 2, 3]),
    ],
)
def test_choices(
    run: Run, capture: Path, options: list[str], numbers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    for command in (["dump"], ["filter", "evt.num>0"]):
        done = run(*command, capture, "-p", "%evt.num", *options)
        assert list(map(int, done.stdout.split())) == numbers
    assert run("filter", "evt.num>0", "-c", capture, *options).stdout == f"{len(numbers)}\n"


def test_skipped_and_limited_events_count_over_all_captures(run: Run, capture: Path) -> None:
    done = run("dump", capture, capture, "-p", "%evt.num", "--skip", "2", "-n", "3")
    assert done.stdout.split() == ["3", "1", "2"]


@pytest.mark.parametrize(
    "options",
    [
        ["--after", "yesterday"],
        ["--after", "+3x"],
        ["--before", "2020-13-01"],
        ["--slice", "3"],
        ["--slice", "a:b"],
        ["-t", "q"],
        ["-n", "0"],
        ["--skip", "-1"],
        ["-p", "%evt.num", "--fields", "evt.num"],
    ],
)
def test_what_cannot_be_is_refused(run: Run, capture: Path, options: list[str]) -> None:
    with pytest.raises(click.UsageError):
        run("dump", capture, *options)
