from __future__ import annotations

import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scaptools import open_capture

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
SCAP = Path(sys.executable).with_name("scap")
#: Commands of other programs, and those whose input the reader has to bring.
OTHERS = ("tshark", "scap merge", "scap filter 'evt.type=open")


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tour's first commands have been typed."""
    folder = tmp_path_factory.mktemp("tour")
    (folder / "AWSLogs").symlink_to(ROOT / "tests" / "fixtures" / "cloudtrail" / "AWSLogs")
    subprocess.run([SCAP, "record", "cloudtrail", "AWSLogs/", "-w", "trail.scap"], cwd=folder, check=True)
    return folder


def tour() -> list[tuple[str, str]]:
    """Every command of the tour with what the README says it prints."""
    steps = []
    for block in re.findall(r"```console\n(.*?)```", README.read_text(), re.DOTALL):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = step.partition("\n")
            if not command.startswith(OTHERS):
                steps.append((command, output.rstrip("\n")))
    return steps


@pytest.mark.parametrize(("command", "output"), tour())
def test_the_tour_is_true(command: str, output: str, playground: Path) -> None:
    words = shlex.split(command.removesuffix(" | jq -c ."))
    assert words[0] == "scap"
    environment = {**os.environ, "TZ": "UTC", "COLUMNS": "200"}
    done = subprocess.run(
        [SCAP, *words[1:]], cwd=playground, env=environment, capture_output=True, text=True, check=True
    )
    if output:
        assert (done.stdout or done.stderr).rstrip("\n") == output


EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def test_the_example_runs(playground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(playground)
    test = doctest.DocTestParser().get_doctest(EXAMPLES[0], {}, "README", str(README), 0)
    assert doctest.DocTestRunner().run(test) == (0, 4)


def test_the_example_of_a_host_runs(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(shared_data / "captures" / "run_as_user_0_container.scap", tmp_path / "host.scap")
    monkeypatch.chdir(tmp_path)
    _, example = EXAMPLES
    exec(compile(example, str(README), "exec"), {"open_capture": open_capture})  # noqa: S102 - the README's own
    assert capsys.readouterr().out == "2195 ls () /etc/ld.so.cache\n"


def test_first_line_says_what_it_is() -> None:
    assert "OpenSCAP" in README.read_text().split("\n\n")[1]
