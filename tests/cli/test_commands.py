from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from scaptools.cli.main import COMMANDS
from scaptools.testing import CaptureBuilder

SCAP = Path(sys.executable).with_name("scap")


def scap(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
    arguments = [str(word) for word in words]
    return subprocess.run([SCAP, *arguments], capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return]


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    builder = CaptureBuilder()
    for number in range(3):
        builder.event("open", [bytes(8), f"/etc/{number}\0".encode(), bytes(4), bytes(4)], exit=True, tid=7 + number)
        payload = {"eventSource": "iam.amazonaws.com", "eventName": f"E{number}", "awsRegion": "us-east-1"}
        builder.plugin_event(json.dumps(payload).encode())
    return builder.write(tmp_path / "some.scap")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    done = scap(command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: scap {command}")
    assert done.stdout == scap(command, "-h").stdout


def test_version() -> None:
    from scaptools import __version__

    assert scap("--version").stdout == f"scap {__version__}\n"


def test_mixed_captures_print_each_event_in_its_own_way(capture: Path) -> None:
    lines = scap("dump", capture, env={**os.environ, "TZ": "UTC"}).stdout.splitlines()
    assert lines[0] == "1 12:26:40.000000000 0 <NA> (7) < open fd=0(<f>/etc/0) name=/etc/0 flags=0(O_NONE) mode=0 "
    assert lines[1].startswith("2 2020-09-13 12:26:40 [cloudtrail] us-east-1")
    assert len(lines) == 6


def test_filter_over_both_sources(capture: Path) -> None:
    done = scap("filter", "evt.type=open or ct.name=E1", capture, "-p", "%evt.num")
    assert done.stdout.split() == ["1", "3", "4", "5"]


def test_count_write_and_read_back(capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.scap"
    assert scap("filter", "-c", "evt.type=open", capture).stdout == "3\n"
    done = scap("filter", "evt.type=open", capture, "-w", out)
    assert (done.stdout, done.stderr) == ("", f"3 events written to {out}\n")
    assert scap("dump", out, "-p", "%thread.tid").stdout.split() == ["7", "8", "9"]


def test_limit_and_several_captures(capture: Path) -> None:
    assert len(scap("dump", capture, capture, "-n", "8").stdout.splitlines()) == 8
    assert len(scap("dump", "-r", capture, capture).stdout.splitlines()) == 12


def test_damage_is_told_of_captures_without_a_match_too(capture: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.scap"
    cut.write_bytes(CaptureBuilder().event("close", [b"\1" * 8]).to_bytes() + bytes(40))
    alone = scap("filter", "evt.type=open", cut)
    both = scap("filter", "evt.type=open", cut, capture)
    assert alone.stdout == ""
    assert both.stdout == scap("filter", "evt.type=open", capture).stdout != ""
    assert alone.stderr.count(str(cut)) == both.stderr.count(str(cut)) == 1


def test_exit_code_option(capture: Path) -> None:
    assert scap("filter", "--exit-code", "evt.num>100", capture).returncode == 1
    assert scap("filter", "--exit-code", "evt.num=1", capture).returncode == 0


def test_json_has_stable_keys(capture: Path) -> None:
    for line in scap("dump", "--json", capture).stdout.splitlines():
        assert next(iter(json.loads(line))) == "evt.num"
    (line,) = scap(
        "filter", "evt.num=1", "--json", "--fields", "ct.name,evt.type,evt.rawtime", capture
    ).stdout.splitlines()
    assert json.loads(line)["ct.name"] is None


def test_fields_are_tab_separated_where_piped(capture: Path) -> None:
    assert scap("filter", "evt.num<3", "--fields", "evt.num,evt.type", capture).stdout == "1\topen\n2\tpluginevent\n"


def test_fields_are_a_table_on_a_terminal(capture: Path) -> None:
    main, child = pty.openpty()
    with subprocess.Popen(
        [SCAP, "filter", "evt.num<3", "--fields", "evt.num,evt.type", capture], stdout=child
    ) as process:
        process.wait()
    os.close(child)
    lines = os.read(main, 10_000).decode().splitlines()
    os.close(main)
    assert [line.split() for line in lines] == [["evt.num", "evt.type"], ["1", "open"], ["2", "pluginevent"]]
    assert {line.rstrip().rfind(line.split()[1]) for line in lines} == {lines[0].index("evt.type")}


def test_standard_input(capture: Path) -> None:
    with capture.open("rb") as stream:
        done = subprocess.run([SCAP, "filter", "-c", "evt.num>0", "-"], stdin=stream, capture_output=True, check=True)
    assert done.stdout == b"6\n"


def test_a_closed_pipe_is_silent(tmp_path: Path) -> None:
    builder = CaptureBuilder()
    for _ in range(20_000):
        builder.event("read")
    path = builder.write(tmp_path / "large.scap")
    done = subprocess.run(f"{SCAP} dump {path} | head -n 1", shell=True, capture_output=True, text=True, check=True)  # noqa: S602
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("info", "missing.scap"), 2, "scap: missing.scap: cannot be opened: No such file or directory"),
        (("dump", "text"), 2, "scap: text: is not a capture: it does not start with a section header; "),
        (("dump", "empty"), 2, "scap: empty: is empty; "),
        (("dump", "folder"), 2, "scap: folder: cannot be "),
        (
            ("filter", "nosuch.field=1", "good.scap"),
            2,
            "scap: filter error at line 1, column 1: unknown field nosuch.field",
        ),
        (("filter", "evt.num=1 and", "good.scap"), 2, "scap: filter error at line 1, column 14: "),
        (
            ("filter", "evt.num=abc", "good.scap"),
            2,
            "scap: filter error at line 1, column 9: abc is not a valid number",
        ),
        (("dump", "-p", "%nosuch", "good.scap"), 2, "scap: "),
        (("filter", "evt.num=1", "good.scap", "-w", "missing/out"), 2, "scap: missing/out: cannot be written: "),
        (("export", "good.scap", "out.xyz"), 2, "scap: out.xyz: no format has the suffix .xyz; "),
        (("record", "nosuch", "x", "-w", "out"), 4, "scap: plugin nosuch: is not installed; "),
        (("record", "cloudtrail", "missing", "-w", "out"), 4, "scap: plugin cloudtrail: "),
        (("dump", "--strict", "cut.scap"), 3, "scap: cut.scap: the file ends inside a block, 30 bytes lost at byte "),
        (("dump", "cut.scap"), 0, "scap: cut.scap: the file ends inside a block, 30 bytes lost at byte "),
        (("dump", "version.scap"), 4, "scap: section of format version 9.0 at byte 0; "),
        (("nosuch",), 2, "Usage: "),
        (("filter", "evt.num=1"), 2, "Usage: "),
    ],
)
def test_errors_are_one_line(words: tuple[str, ...], status: int, message: str, tmp_path: Path) -> None:
    data = CaptureBuilder().event("read").event("read").to_bytes()
    (tmp_path / "good.scap").write_bytes(data)
    (tmp_path / "cut.scap").write_bytes(data[:-10])
    (tmp_path / "text").write_text("just some text")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "version.scap").write_bytes(CaptureBuilder().section(major=9, minor=0).event("read").to_bytes()[28:])
    done = scap(*words, cwd=tmp_path)
    assert done.stderr.startswith(message), done.stderr
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    if words == ("dump", "cut.scap"):
        assert len(done.stdout.splitlines()) == 1


def test_a_filter_error_shows_the_place(capture: Path) -> None:
    lines = scap("filter", "evt.num=1 or evt.nun=2", capture).stderr.splitlines()
    assert "did you mean evt.num" in lines[0]
    assert lines[1:] == ["evt.num=1 or evt.nun=2", "             ^"]


def test_merge(capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "merged.scap"
    assert scap("merge", capture, capture, "-w", out).returncode == 0
    times = [int(line) for line in scap("dump", out, "-p", "%evt.rawtime").stdout.split()]
    assert len(times) == 12
    assert times == sorted(times)


def test_listings(capture: Path) -> None:
    assert "ct.region" in scap("fields", "ct.").stdout
    assert all(json.loads(line)["name"] for line in scap("fields", "--json").stdout.splitlines())
    assert scap("fields", "--markdown", "evt.num").stdout.startswith("| field |")
    assert "openat2" in scap("events", "openat").stdout
    assert "cloudtrail" in scap("plugins", "list").stdout
    assert "s3.uri" in scap("plugins", "info", "cloudtrail").stdout


def test_info_as_json(capture: Path) -> None:
    info = json.loads(scap("info", "--json", capture).stdout)
    assert info["events"] == 6
    assert info["sources"] == {"syscall": 3, "aws_cloudtrail": 3}
    assert info["first"] == "2020-09-13T12:26:40.000000000Z"
