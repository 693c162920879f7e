"""Captures with an index beside them: the same answers, some of them without anything being read."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from scaptools.capture.index import CaptureIndex
from scaptools.cli.foregone import is_foregone
from scaptools.errors import FilterError
from scaptools.testing import CaptureBuilder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Run = Callable[..., Result]

#: What makes a question start slowly.
HEAVY = ("numpy", "pyarrow", "construct", "scaptools.fields", "scaptools.filter")


def builder() -> CaptureBuilder:
    made = CaptureBuilder()
    for number in range(30):
        made.event("close", [number.to_bytes(8, "little")])
    return made.event("syscall", [(94).to_bytes(2, "little"), bytes(2)])


@pytest.fixture
def indexed(run: Run, tmp_path: Path) -> Path:
    path = builder().write(tmp_path / "c.scap")
    assert not run("index", path).exit_code
    return path


@pytest.mark.parametrize(
    ("expression", "foregone"),
    [
        ("evt.type=poll", True),
        (" evt.type == poll ", True),
        ("evt.type in (poll, select,  write)", True),
        ("evt.type=poll or evt.type in (select)", True),
        ("evt.type=close", False),
        ("evt.type in (poll, close)", False),
        # System calls without an event type of their own: one there is, one there is not.
        ("evt.type=munlockall", False),
        ("evt.type=fchdir", True),
        # No such event, no such field, no such grammar: somebody else has to say so.
        ("evt.type=nonsense", False),
        ("evt.type=poll or evt.typo=1", False),
        ("evt.type=poll or", False),
        ("evt.type in ()", False),
        ("evt.type!=poll", False),
        ("not evt.type=poll", False),
        ("evt.type=poll and evt.num=1", False),
        ("", False),
    ],
)
def test_only_what_is_certain_is_foregone(expression: str, foregone: bool, indexed: Path) -> None:
    assert is_foregone(expression, [str(indexed)]) == foregone


def test_every_capture_needs_a_good_index(run: Run, indexed: Path, tmp_path: Path) -> None:
    other = builder().event("poll", []).write(tmp_path / "other.scap")
    assert not is_foregone("evt.type=poll", [str(indexed), str(other)])
    assert run("filter", "-c", "evt.type=poll", indexed, other).output == "1\n"
    run("index", other)
    assert not is_foregone("evt.type=poll", [str(indexed), str(other)])
    assert is_foregone("evt.type=write", [str(indexed), str(other)])
    indexed.write_bytes(other.read_bytes())
    assert not is_foregone("evt.type=write", [str(indexed)])
    assert run("filter", "-c", "evt.type=poll", indexed).output == "1\n"


def test_a_damaged_capture_tells_its_damage(run: Run, indexed: Path) -> None:
    indexed.write_bytes(indexed.read_bytes()[:-10])
    run("index", indexed)
    assert not is_foregone("evt.type=poll", [str(indexed)])
    done = run("filter", "-c", "--strict", "evt.type=poll", indexed)
    assert done.return_value == 3


def test_answers_are_those_without_an_index(run: Run, indexed: Path) -> None:
    plain = builder().write(indexed.with_name("plain.scap"))
    for words in (
        ("filter", "evt.type=poll"),
        ("filter", "-c", "evt.type=poll"),
        ("filter", "-c", "evt.type=close"),
        ("filter", "evt.type=munlockall"),
        ("filter", "--exit-code", "evt.type=poll"),
        ("filter", "--exit-code", "-c", "evt.type=close and evt.num>29"),
        ("dump", "--slice", "29:"),
    ):
        first, second = run(*words, indexed), run(*words, plain)
        assert (first.output, first.return_value) == (second.output, second.return_value)
    with pytest.raises(FilterError, match="nonsense"):
        run("filter", "evt.type=nonsense", indexed)


def test_nothing_heavy_is_loaded_for_it(indexed: Path) -> None:
    program = (
        "import sys; from scaptools.cli.main import cli; "
        f"cli.main(['filter', 'evt.type=poll', {str(indexed)!r}], standalone_mode=False, obj={{}}); "
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_states_are_kept_unless_they_are_not_wanted(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scaptools.state.keeper.EVENTS_BETWEEN", 10)
    monkeypatch.setattr("scaptools.capture.index.CHUNK_BYTES", 500)
    path = builder().write(tmp_path / "c.scap")
    kept = []
    for words in ((), ("--no-state",)):
        run("index", *words, path)
        index = CaptureIndex.load(path)
        assert index is not None
        kept.append(len(index.checkpoints))
    assert kept[0] > 0
    assert kept[1] == 0
