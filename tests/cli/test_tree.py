"""``scap info --tree``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from click.testing import CliRunner

from scaptools.cli.main import cli
from tests.state.scenarios import capture_bytes
from tests.state.test_processtree import EVENTS

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: str, data: bytes | None = None) -> str:
    result = CliRunner().invoke(cli, ["info", "--tree", *arguments], input=data, standalone_mode=False)
    assert result.exception is None, result.output
    return result.output


def test_every_process_has_a_line_of_at_most_eighty_columns(tmp_path: Path) -> None:
    path = tmp_path / "host.scap"
    path.write_bytes(capture_bytes(EVENTS))
    lines = run(str(path)).splitlines()
    assert lines[1].split() == ["PID", "STARTED", "ENDED", "COMMAND"]
    assert lines[3].endswith("└ [2 threads] make -c")
    assert len(lines) == 8
    assert max(map(len, lines[1:])) <= 80
    assert run(str(path), str(path)).count("PID") == 2


def test_the_tree_as_one_object_a_capture(tmp_path: Path) -> None:
    path = tmp_path / "host.scap"
    path.write_bytes(capture_bytes(EVENTS))
    record = json.loads(run("--json", str(path)))
    assert [process["pid"] for process in record["processes"]] == [10, 100, 101, 103, 104, 11, 999]
    assert record["processes"][1]["ended_ts"] - record["first_ts"] == 9 * 10**9


def test_standard_input_is_enough() -> None:
    assert "make -c" in run("-", data=capture_bytes(EVENTS))
