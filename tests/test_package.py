from __future__ import annotations

import subprocess
import sys

import pytest

import scaptools

#: What may be imported for the sake of `scap --help`.
HEAVY = {"numpy", "pyarrow", "construct", "rich", "cffi", "isal", "zstandard", "hypothesis", "yaml"}


def modules_after(code: str) -> set[str]:
    script = f"import sys; {code}; print(*sorted(sys.modules), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.splitlines()}


def test_public_names() -> None:
    assert scaptools.__all__ == sorted(scaptools.__all__)
    for name in scaptools.__all__:
        assert getattr(scaptools, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = scaptools.nonsense  # type: ignore[attr-defined]


def test_importing_is_cheap() -> None:
    assert not modules_after("import scaptools") & HEAVY


def test_help_is_cheap() -> None:
    assert not modules_after("import scaptools.cli.main as m; m.cli.get_help(m.click.Context(m.cli))") & HEAVY


def test_counting_by_type_needs_no_arrow(tmp_path: object) -> None:
    code = (
        "from scaptools.testing import CaptureBuilder; import io;"
        "from scaptools import open_capture;"
        "data = CaptureBuilder().event('open').event('read').to_bytes();"
        "capture = open_capture(io.BytesIO(data));"
        "assert sum(len(rows) for _, rows in capture.matches('evt.type = open')) == 1"
    )
    assert "pyarrow" not in modules_after(code)
