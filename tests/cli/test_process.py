"""The process of the command: what it does without."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from scaptools.cli.process import PandasForPlugins
from scaptools.testing import CaptureBuilder

if TYPE_CHECKING:
    from pathlib import Path

#: What to read and filter takes none of.
_UNUSED = {"pandas", "construct", "pyarrow", "importlib.metadata", "importlib.resources"}


def modules_of(*words: str, first: str = "") -> set[str]:
    """What is imported when a command has run in a process of its own."""
    script = (
        f"{first}\nimport sys\nsys.argv = ['scap', *{words!r}]\nfrom scaptools.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines())


@pytest.fixture
def capture(tmp_path: Path) -> str:
    path = tmp_path / "small.scap"
    path.write_bytes(CaptureBuilder().event("open").event("read").to_bytes())
    return str(path)


def test_a_filter_without_matches_imports_little(capture: str) -> None:
    loaded = modules_of("filter", "evt.type=close", capture)
    assert "scaptools.filter.compiled" in loaded
    assert not loaded & _UNUSED


def test_printing_leaves_pandas_alone(capture: str) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    loaded = modules_of("filter", "evt.type=open", capture)
    assert "pyarrow" in loaded
    assert "pandas" not in loaded


def test_others_get_pandas() -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    script = (
        "import scaptools.cli.process as p; p.prepare_process(); import pyarrow as pa; t = pa.table({'a': [1]})"
        "; print(t.to_pandas()['a'][0])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


def test_only_modules_without_a_use_for_pandas_are_refused() -> None:
    names = {"__name__": "scaptools.columns", "finder": PandasForPlugins()}
    with pytest.raises(ModuleNotFoundError):
        exec("finder.find_spec('pandas', None)", names)  # noqa: S102 - code of another module's name
    exec("finder.find_spec('numpy', None)", names)  # noqa: S102
