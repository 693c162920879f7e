from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from scap_formats import generate

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the committed tables that may be spoilt."""
    for name in generate.TABLES:
        shutil.copy(generate.PACKAGE / name, tmp_path / name)
    monkeypatch.setattr(generate, "PACKAGE", tmp_path)
    return tmp_path


def spoil(package: Path, name: str, change: Any) -> None:
    table = json.loads((package / name).read_text())
    change(table)
    (package / name).write_text(generate.text_of(table))


def test_committed_tables_are_canonical_and_consistent() -> None:
    assert generate.check(None) == []


def test_committed_tables_are_what_the_reference_gives(reference: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main([str(reference), "--check"]) == 0
    assert capsys.readouterr().err == ""


def test_regenerating_gives_the_same_files(reference: Path, package: Path) -> None:
    before = {name: (package / name).read_bytes() for name in generate.TABLES}
    for name in generate.TABLES:
        (package / name).unlink()
    assert generate.main([str(reference)]) == 0
    assert {name: (package / name).read_bytes() for name in generate.TABLES} == before


def test_check_without_reference_says_so_and_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main([str(tmp_path / "nowhere"), "--check"]) == 0
    assert "no reference files" in capsys.readouterr().err


def test_generating_without_reference_is_an_error(package: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        generate.main([str(tmp_path / "nowhere")])
    assert stop.value.code == 2


def test_an_outdated_table_is_reported(reference: Path, package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil(package, "event_table.json", lambda table: table["events"][3].update(name="opened"))
    assert generate.main([str(reference), "--check"]) == 1
    report = capsys.readouterr().err.splitlines()
    assert [line.partition("{")[0] for line in report] == [
        "event_table.json: missing or outdated: ",
        "event_table.json: not in the reference: ",
    ]


def test_a_file_that_is_not_canonical_is_reported(package: Path) -> None:
    table = json.loads((package / "plugin_registry.json").read_text())
    (package / "plugin_registry.json").write_text(json.dumps(table, indent=4))
    assert generate.check(None) == ["plugin_registry.json: not in canonical form"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda events: events.pop(7), "ids are not contiguous"),
        (lambda events: events[3].update(enum="SYSCALL_OPEN"), "does not end in _X"),
        (lambda events: events[3].update(category="SPACE"), "unknown category"),
        (lambda events: events[3]["flags"].append("FLIES"), "unknown flags ['FLIES']"),
        (lambda events: events[3]["params"][0].update(type="FLOAT"), "unknown type or format of fd"),
        (lambda events: events[3]["params"][0].update(flags="nothing"), "no flags table nothing"),
        (lambda events: events[3]["params"][0].update(type="DYN"), "no dynamic table for fd"),
        (lambda events: events[3]["params"][0].update(dirfd_param=9), "fd refers to a missing parameter"),
        (lambda events: events[3]["history"].append(["9", 9]), "history does not grow"),
        (lambda events: events[3]["convert"]["4"].update(action="sing"), "unknown action sing"),
        (lambda events: events[3]["convert"].update({"9": {"action": "pass"}}), "never had that many"),
        (lambda events: events[3]["convert"]["5"]["params"].append("empty"), "appends beyond the table"),
        (lambda events: events[11]["convert"]["1"].update(to=999), "no such target type"),
        (lambda events: events[11]["convert"]["1"].update(to=4), "more parameters than the target has"),
        (lambda events: events[11]["convert"]["1"]["params"].insert(0, "old:1"), "old:1 refers to nothing"),
        (lambda events: events[11]["convert"]["1"]["params"].insert(0, "enter:7?empty"), "enter:7?empty refers to"),
        (lambda events: events[11]["convert"]["1"]["params"].insert(0, "enter:0"), "enter:0 refers to nothing"),
    ],
)
def test_an_inconsistent_event_table_is_reported(package: Path, change: Any, problem: str) -> None:
    spoil(package, "event_table.json", lambda table: change(table["events"]))
    assert any(problem in line for line in generate.check(None))


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        ("syscall_table.json", lambda table: table["syscalls"].pop(9), "codes are not contiguous"),
        ("syscall_table.json", lambda table: table["syscalls"][3].update(events=[454]), "code 3 refers to an unknown"),
        ("plugin_registry.json", lambda table: table["plugins"].reverse(), "ids are not unique and sorted"),
    ],
)
def test_other_inconsistent_tables_are_reported(package: Path, name: str, change: Any, problem: str) -> None:
    spoil(package, name, change)
    assert any(problem in line for line in generate.check(None))


def test_numbers_of_the_types_are_compared(reference: Path, tmp_path: Path) -> None:
    events = json.loads((reference / "events.json").read_text())
    events["param_types"]["PT_FD"]["size"] = 4
    events["param_formats"]["PF_10_PADDED_DEC"] = 9
    events["event_flags"]["EF_WAITS"] = 1024
    events["categories"]["EC_NET"] = 99
    (tmp_path / "events.json").write_text(json.dumps(events))
    assert list(generate.reference_problems(tmp_path)) == [
        "types.py: PT_FD should be 14 of size 4",
        "types.py: PrintFormat.PADDED_DEC should be 9",
        "types.py: EventFlag.WAITS should be 1024",
        "types.py: EC_NET should be 99",
    ]
