"""The compiled loop gives what the Python one gives, and is done without where it cannot be had."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from scaptools.plugins.contract import Payloads
from scaptools.plugins.shared import loop

TEXTS = [b"event 0", b"", b"event 1 word", b"event 2 word word", b"x" * 3000, b"\xff \x01"]
ARGUMENTS = {"part": "1", "keyed": "k", "both": "7"}


@pytest.fixture(autouse=True)
def fresh_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiled = loop.compiled
    compiled.cache_clear()
    yield tmp_path / "scaptools"
    compiled.cache_clear()


def every_value(plugin) -> dict[str, list[object]]:
    numbers = np.arange(1, len(TEXTS) + 1, dtype=np.uint64)
    prepared = plugin.prepare(Payloads(pa.array(TEXTS, pa.binary()), numbers, numbers))
    found = {}
    for field in plugin.fields:
        argument = ARGUMENTS.get(field.name.partition(".")[2])
        found[field.name] = plugin.extract(prepared, field.name, argument).to_arrow().to_pylist()
    return found


@pytest.mark.parametrize("version", ["0.3.0", "1.0.0", "2.0.0", "3.12.0"])
def test_both_loops_agree(build, load, version, fresh_cache, monkeypatch) -> None:
    plugin = load(build("sample.c", version), in_process=True)
    compiled = every_value(plugin)
    assert len(list(fresh_cache.glob("loop-*.so"))) == 1
    monkeypatch.setattr(loop, "compiled", lambda major: None)
    assert every_value(plugin) == compiled


def test_without_a_compiler(build, load, fresh_cache, monkeypatch) -> None:
    plugin = load(build("sample.c", "3.12.0"), in_process=True)
    monkeypatch.setenv("CC", "no-compiler")
    assert every_value(plugin)["sample.number"][:1] == [0]
    assert list(fresh_cache.iterdir()) == []


def test_a_folder_others_may_write_is_not_used(build, load, fresh_cache) -> None:
    fresh_cache.mkdir()
    fresh_cache.chmod(0o777)
    plugin = load(build("sample.c", "3.12.0"), in_process=True)
    assert every_value(plugin)["sample.number"][:1] == [0]
    assert list(fresh_cache.iterdir()) == []


def test_the_parsed_header_is_the_header(tmp_path) -> None:
    from scap_formats.plugin_abi.parse import write_parsed

    made = tmp_path / "parsed_loop.py"
    write_parsed(made, [(loop.HERE / "loop.h").read_text("ascii")])
    assert made.read_text() == (loop.HERE / "parsed_loop.py").read_text()
