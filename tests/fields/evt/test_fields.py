"""The declarations: complete, described, and what the reference says of each field."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from scap_formats.types import ParamType, PrintFormat
from scaptools.errors import FormatError, UnknownFieldError
from scaptools.fields.evt import evt_fields
from scaptools.fields.paramtext import StatelessContext
from scaptools.fields.registry import FieldRegistry
from tests.fields.evt_blocks import Ev, batch_of
from tests.fields.evt_columns import bound

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch

#: Not ours: they need the state of threads and descriptors, or the plugin that made the event.
_ELSEWHERE = {
    "evt.abspath",
    "evt.count.procinfo",
    "evt.is_syslog",
    "evt.latency",
    "evt.latency.human",
    "evt.latency.ns",
    "evt.latency.quantized",
    "evt.latency.s",
    "evt.plugininfo",
    "evt.pluginname",
    "evt.source",
    "evt.wait_latency",
}
_NEED_DESCRIPTORS = {
    "evt.buflen",
    "evt.buflen.file",
    "evt.buflen.file.in",
    "evt.buflen.file.out",
    "evt.buflen.in",
    "evt.buflen.net",
    "evt.buflen.net.in",
    "evt.buflen.net.out",
    "evt.buflen.out",
    "evt.count.error.file",
    "evt.count.error.net",
    "evt.count.error.other",
}


class NoDescriptors(StatelessContext):
    """A context that finds no descriptor."""

    def fd_types(self, _batch: EventBatch, rows: NDArray[np.intp]) -> Any:
        from scaptools.columns import Numbers

        return Numbers(np.zeros(len(rows), np.int64), np.zeros(len(rows), bool))


ALL_FIELDS = evt_fields(context=NoDescriptors())


@pytest.fixture(scope="module")
def reference(shared_data: Path) -> dict[str, Any]:
    """Upstream's fields by name."""
    fields = json.loads((shared_data.parent / "reference" / "fields.json").read_text("utf-8"))["fields"]
    return {field["name"]: field for field in fields if field["class"].startswith(("evt", "util"))}


def test_every_field_is_there(reference: dict[str, Any]) -> None:
    wanted = {name for name in reference if name.startswith(("evt.", "syscall.", "util."))} - _ELSEWHERE
    assert {field.name for field in ALL_FIELDS} == wanted
    assert {field.name for field in ALL_FIELDS} - {field.name for field in evt_fields()} == _NEED_DESCRIPTORS


@pytest.mark.parametrize("field", ALL_FIELDS, ids=lambda field: field.name)
def test_declarations_agree_with_the_reference(field: Any, reference: dict[str, Any]) -> None:
    entry = reference[field.name]
    type_ = {"PT_DYNAMIC": ParamType.DYN}.get(entry["type"]) or ParamType[entry["type"].removeprefix("PT_")]
    format_ = entry["print_format"].removeprefix("PF_").replace("10_PADDED", "PADDED")
    assert (field.type, field.format) == (type_, PrintFormat[format_])
    assert field.is_list == entry["list"]
    assert field.flags == set(entry["flags"]) - {"ARG_REQUIRED"}
    assert (field.argument is not None) == (entry["arg"] is not None)
    if field.argument is not None:
        assert field.argument.required == (entry["arg"]["use"] == "required")


def test_descriptions_are_sentences() -> None:
    for field in ALL_FIELDS:
        assert field.description.endswith("."), field.name
        assert len(field.description) <= 110, field.name


@pytest.mark.parametrize(
    "field",
    # A field that counts how often it is asked says something else each time.
    [field for field in ALL_FIELDS if field.name != "util.cnt"],
    ids=lambda field: field.name,
)
def test_rows_are_the_same_however_they_are_asked_for(field: Any) -> None:
    q8, u4 = bytes(8), bytes(4)
    events = [
        Ev(3, [q8, b"/x\0", u4, u4]),
        Ev(0, [b"\3\0", b"\0\0"]),
        Ev(7, [q8, b"data"]),
        Ev(402, [u4, b"container\0", b"{}"]),
        Ev(286, [b"s\0", b"n\0", b"ID:0123456789abcdef;Event:start\0", b"\0"]),
        Ev(161, [b"\xf4" + b"\xff" * 7, u4, u4, u4]),
        Ev(3, [q8, b"/y\0"]),
    ]
    argument = {"evt.arg": "name", "evt.rawarg": "name", "evt.type.is": "open", "evt.around": "5"}.get(field.name)
    handle = FieldRegistry([field]).resolve(field.name, argument)
    everything = handle.column(batch_of(events), slice(None)).to_arrow().to_pylist()
    assert len(everything) == len(events)
    for rows in (slice(1, 6, 2), slice(0, 0), np.array([0, 3, 4, 6]), np.array([5]), np.array([], np.intp)):
        part = handle.column(batch_of(events), rows).to_arrow().to_pylist()
        assert part == [everything[row] for row in np.arange(len(events))[rows].tolist()]


@pytest.mark.parametrize("field", ALL_FIELDS, ids=lambda field: field.name)
def test_an_empty_choice_of_rows(field: Any) -> None:
    argument = {"evt.arg": "0", "evt.rawarg": "fd", "evt.type.is": "open", "evt.around": "5"}.get(field.name)
    handle = FieldRegistry([field]).resolve(field.name, argument)
    assert len(handle.column(batch_of([Ev(5, [bytes(8)])]), np.array([], np.intp))) == 0


@pytest.mark.parametrize(
    ("written", "error"),
    [
        ("evt.arg", FormatError),
        ("evt.arg.nosuchname", FormatError),
        ("evt.arg[]", FormatError),
        ("evt.arg[-1]", FormatError),
        ("evt.arg[256]", FormatError),
        ("evt.rawarg[0]", FormatError),
        ("evt.rawarg.nosuchname", FormatError),
        ("evt.type.is.nosuchtype", FormatError),
        ("evt.type[open]", FormatError),
        ("evt.around[soon]", FormatError),
        ("evt.around[99999999999999999999]", FormatError),
        ("evt.nosuchfield", UnknownFieldError),
    ],
)
def test_wrong_arguments(written: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        bound(FieldRegistry(evt_fields()), written)
