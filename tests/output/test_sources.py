from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from scap_formats.types import ParamType, PrintFormat
from scaptools.capture.reader import CaptureReader
from scaptools.columns import ALL_ROWS, Numbers, Rows
from scaptools.fields.model import Field
from scaptools.fields.registry import FieldRegistry
from scaptools.output import sources
from scaptools.output.lines import LineRenderer
from scaptools.output.renderer import render
from scaptools.output.sources import SourceLines
from scaptools.output.template import Template
from scaptools.testing.builders import CaptureBuilder


def number(batch: Any, rows: Rows, _argument: None) -> Numbers:
    return Numbers(batch.numbers(rows))


@pytest.fixture(scope="module")
def source_lines() -> SourceLines:
    registry = FieldRegistry([Field("evt.num", ParamType.UINT64, "", number, PrintFormat.ID)])
    parse: Callable[[str], Template] = lambda text: Template.parse(text, registry)  # noqa: E731
    return SourceLines(LineRenderer(parse("*call %evt.num")), LineRenderer(parse("*plugin %evt.num")))


def batch_of(kinds: str) -> Any:
    """Events by letter: ``p`` of a plugin, ``c`` a system call."""
    builder = CaptureBuilder()
    for kind in kinds:
        if kind == "p":
            builder.plugin_event(b"{}")
        else:
            builder.event("getuid")
    (batch,) = CaptureReader(io.BytesIO(builder.to_bytes())).batches()
    return batch


@pytest.mark.parametrize("portion", [2, 1000])
@pytest.mark.parametrize("kinds", ["ccc", "ppp", "cpc", "ppcpc"])
@pytest.mark.parametrize("rows", [ALL_ROWS, np.array([0, 2]), slice(1, None), np.array([], np.intp)])
def test_each_event_by_its_template(
    source_lines: SourceLines, monkeypatch: pytest.MonkeyPatch, kinds: str, rows: Rows, portion: int
) -> None:
    monkeypatch.setattr(sources, "_PORTION_ROWS", portion)
    names = {"p": "plugin", "c": "call"}
    expected = [f"{names[kinds[row]]} {row + 1}\n" for row in np.arange(len(kinds))[rows].tolist()]
    assert bytes(render(source_lines, batch_of(kinds), rows)).decode() == "".join(expected)
