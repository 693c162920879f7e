from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scap_formats.blocks import BlockType
from scap_formats.codec import FormatsError
from scap_formats.params import decode_param
from scap_formats.table import Param, event_table
from scap_formats.types import STRING_TYPES, Direction, ParamType, PrintFormat
from scaptools.capture.conversion import ConvertedBatch, convert_batches
from scaptools.capture.reader import open_reader
from scaptools.capture.upgrade import Fate, Origin, upgrade_plan
from scaptools.testing import CaptureBuilder

CAPTURES = Path(__file__).parents[2].parent / "shared" / "data" / "captures"
NAMES = sorted(path.stem for path in CAPTURES.glob("*.scap")) or ["(none)"]
#: The oracle gives converted execve events of this type the number they have in the file.
OLD_EXECVE = 231
UNPRINTED_NAMES = ("open", "connect", "execve", "container", "useradded", "groupadded")
UNPRINTED = {
    event.id for name in UNPRINTED_NAMES for event in event_table().by_name(name) if event.direction is Direction.ENTER
}


def params_of(batch: ConvertedBatch) -> list[list[bytes]]:
    found: list[list[bytes]] = [[] for _ in range(len(batch))]
    for event_type in batch.types_present():
        table = batch.parameters(event_type)
        assert not table.malformed.any()
        for index in range(table.stored):
            column = table.column(index)
            values = column.bytes().array.to_pylist()
            for row, value, present in zip(table.rows.tolist(), values, column.present.tolist(), strict=True):
                if present:
                    found[row].append(value or b"")
    return found


def events_of(batches: Iterator[ConvertedBatch]) -> list[dict[str, Any]]:
    events = []
    for batch in batches:
        columns = {name: batch.header(name).tolist() for name in ("ts", "tid", "cpu", "type")}
        columns["number"] = batch.numbers().tolist()
        columns["source"] = batch.source_numbers.tolist()
        columns["params"] = params_of(batch)
        events += [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return events


def converted(builder: CaptureBuilder, **options: int) -> list[dict[str, Any]]:
    return events_of(convert_batches(open_reader(io.BytesIO(builder.to_bytes()), **options).batches()))


def same_value(param: Param, value: bytes, record: dict[str, Any], index: int) -> bool:
    """Whether the oracle's texts say what the bytes say, as far as its texts tell."""
    raw, text = record.get(f"evt.rawarg.{param.name}"), record[f"evt.arg[{index}]"]
    if not value:
        return raw in {None, "", "0", "0.0", "<NA>"} and text in {"NULL", "<NA>"}
    if param.type.size is not None and param.type is not ParamType.SIGSET:
        if raw is None:
            number = decode_param(param.type, value)
            return text == str(number) or (text[:1].isupper() and text not in {"NULL", "<NA>"}) or text.islower()
        base = {PrintFormat.HEX: 16, PrintFormat.OCT: 8}.get(param.format, 10)
        bits = (1 << 8 * param.type.size) - 1
        return any(_number(raw, base) & bits == int.from_bytes(value, "little") for base in (base, 10, 16, 8))
    shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in value)
    if param.type in STRING_TYPES and raw is not None:
        return raw == shown[:-1] or value.removesuffix(b"\0") in {b"<NA>", b"(NULL)"}
    if param.type is ParamType.BYTEBUF and raw is not None:
        return bool(shown.startswith(raw))
    return text not in {"NULL", "<NA>"}


def _number(text: str, base: int) -> int:
    try:
        return int(text, base)
    except ValueError:
        return -1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("window_bytes", [1 << 25, 20_000])
def test_converted_events_are_those_of_the_newest_libs(name: str, window_bytes: int, shared_data: Path) -> None:
    reader = open_reader(shared_data / "captures" / f"{name}.scap", window_bytes=window_bytes)
    ours = {event["source"]: event for event in events_of(convert_batches(reader.batches()))}
    with gzip.open(shared_data / "oracle" / f"{name}.libsnew.jsonl.gz", "rt") as lines:
        records = [json.loads(line) for line in lines]
    events = event_table().events
    numbers = set()
    for record in records:
        event = ours[record["_raw"]]
        numbers.add(event["number"])
        assert event["number"] == record["evt.num"]
        assert str(event["ts"]) == record["evt.rawtime"]
        assert str(event["cpu"]) == record["evt.cpu"]
        if record["_ppme"] != OLD_EXECVE:
            assert event["type"] == record["_ppme"]
        params = events[event["type"]].params
        texts = [key for key in record if key.startswith("evt.arg[")]
        assert len(texts) == len(event["params"])
        for index, value in enumerate(event["params"]):
            assert same_value(params[index], value, record, index), (record["_raw"], params[index].name, value)
    # Numbered but not printed by the oracle: enter events, and state events used up when it opened the file.
    unprinted = {event["type"] for event in ours.values() if event["number"] not in numbers}
    assert unprinted <= UNPRINTED


def test_every_kind_of_event_ends_in_the_newest_schema() -> None:
    events = event_table().events
    for event in events:
        for count in range(event.nparams + 2):
            plan = upgrade_plan(event.id, count)
            if plan.appears and plan.changed:
                assert len(plan.values) == events[plan.type].nparams, (event.id, count)
            assert len({value.enter_type for value in plan.values if value.origin is Origin.ENTER}) <= 1


def test_every_count_writers_have_used_has_its_rule() -> None:
    """No kind of event that exists in files is padded for want of a rule."""
    for event in event_table().events:
        for _, count in event.history:
            plan = upgrade_plan(event.id, count)
            if plan.fate is Fate.KEEP and plan.changed:
                assert count in event.conversions, (event.id, count)


READ_ENTER = [(5).to_bytes(8, "little"), (100).to_bytes(4, "little")]
READ_EXIT = [(3).to_bytes(8, "little"), b"abc"]


@pytest.mark.parametrize("block_type", [BlockType.EV_V1, BlockType.EVF_V1, BlockType.EV_V2, BlockType.EVF_V2])
@pytest.mark.parametrize("window_bytes", [1 << 20, 90])
def test_a_pair_becomes_one_event(block_type: BlockType, window_bytes: int) -> None:
    builder = CaptureBuilder()
    builder.event(6, READ_ENTER, tid=7, block_type=block_type, dump_flags=1)
    builder.event(6, READ_ENTER[::-1], tid=8, block_type=block_type, dump_flags=1)
    builder.event(7, READ_EXIT, tid=7, cpu=3, ts=99, block_type=block_type, dump_flags=1)
    (event,) = converted(builder, window_bytes=window_bytes)
    assert event == {
        "ts": 99,
        "tid": 7,
        "cpu": 3,
        "type": 7,
        "number": 1,
        "source": 3,
        "params": [*READ_EXIT, *READ_ENTER],
    }


def test_dump_flags_and_comments_stay() -> None:
    builder = CaptureBuilder().event(6, READ_ENTER)
    comment = {"code": 1, "value": b"seen", "padding": None}
    body = {"cpu": 0, "dump_flags": 5, "ts": 1, "tid": 1, "type": 7, "params": READ_EXIT, "rest": b""}
    builder.block(BlockType.EVF_V2, {**body, "options": [comment]})
    (batch,) = convert_batches(open_reader(io.BytesIO(builder.to_bytes())).batches())
    assert batch.dump_flags().tolist() == [5]
    target = CaptureBuilder().raw(batch.raw_blocks())
    (again,) = open_reader(io.BytesIO(target.to_bytes())).batches()
    from scap_formats.bodies import parse_block

    assert [option.value for option in parse_block(again.raw_blocks()).body.options] == [b"seen"]


def test_an_enter_event_is_used_once_and_by_its_own_exit_only() -> None:
    builder = CaptureBuilder().event(6, READ_ENTER).event(9, READ_EXIT).event(7, READ_EXIT).event(7, READ_EXIT)
    events = converted(builder)
    default = [bytes(8), bytes(4)]
    assert [event["params"][2:] for event in events] == [default, READ_ENTER, default]


def test_a_close_without_enter_event_has_no_descriptor() -> None:
    (event,) = converted(CaptureBuilder().event(5, [bytes(8)]))
    assert event["params"] == [bytes(8), b""]


def test_a_dynamic_value_loses_its_index_as_a_plain_one() -> None:
    """Quotactl and bpf store a choice in front of the value; libs takes it for part of the number."""
    (event,) = converted(CaptureBuilder().event(296, [bytes(8)]).event(297, [b"\0" + (7).to_bytes(8, "little")]))
    assert event["type"] == 369
    assert event["params"][0] == (7).to_bytes(8, "little")


def test_container_events_of_all_times_end_as_json() -> None:
    builder = CaptureBuilder().event(228, [b"id\0", (1).to_bytes(4, "little"), b"name\0", b"img\0"])
    builder.event(272, [b"{}\0"]).event(324, [b"{}\0"])
    events = converted(builder)
    assert [event["type"] for event in events] == [324, 324, 324]
    assert json.loads(events[0]["params"][0].rstrip(b"\0")) == {"id": "id", "type": 1, "name": "name", "image": "img"}


def test_a_new_section_forgets_enter_events() -> None:
    events = converted(CaptureBuilder().event(6, READ_ENTER).section().event(7, READ_EXIT))
    assert events[0]["params"][2:] == [bytes(8), bytes(4)]


def test_newest_events_are_not_touched() -> None:
    builder = CaptureBuilder().event(7, [*READ_EXIT, *READ_ENTER]).plugin_event(b"x").event(7, [*READ_EXIT] * 4)
    original = next(open_reader(io.BytesIO(builder.to_bytes())).batches())
    (batch,) = convert_batches(iter([original]))
    assert batch.data is original.data
    assert batch.raw_blocks() == original.raw_blocks()


kinds = st.sampled_from([event.id for event in event_table().events])
any_event = st.tuples(kinds, st.lists(st.binary(max_size=20), max_size=8), st.integers(1, 3))


@settings(max_examples=150, deadline=None)
@given(st.lists(any_event, max_size=25), st.integers(100, 1000))
def test_any_events_convert_and_batches_do_not_matter(
    events: list[tuple[int, list[bytes], int]], window_bytes: int
) -> None:
    builder = CaptureBuilder()
    for event_type, params, tid in events:
        try:
            builder.event(event_type, params, tid=tid)
        except FormatsError:
            continue
    whole = converted(builder)
    assert converted(builder, window_bytes=window_bytes) == whole
    table = event_table().events
    assert [event["number"] for event in whole] == list(range(1, len(whole) + 1))
    for event in whole:
        plan = upgrade_plan(event["type"], len(event["params"]))
        assert not plan.changed
        if len(event["params"]) < table[event["type"]].nparams:
            assert plan.appears


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([6, 7, 4, 5]), st.integers(1, 2)), max_size=30))
def test_matching_is_what_a_walk_finds(events: list[tuple[int, int]]) -> None:
    builder = CaptureBuilder()
    waiting: dict[int, tuple[int, int]] = {}
    expected = []
    for number, (event_type, tid) in enumerate(events):
        fd = number.to_bytes(8, "little")
        if event_type in {4, 6}:
            builder.event(event_type, [fd, bytes(4)][: 1 if event_type == 4 else 2], tid=tid)
            waiting[tid] = (event_type, number)
        else:
            builder.event(event_type, [bytes(8)] if event_type == 5 else READ_EXIT, tid=tid)
            kind, found = waiting.get(tid, (-1, -1))
            if kind == event_type - 1:
                del waiting[tid]
                expected.append(found.to_bytes(8, "little"))
            else:
                expected.append(b"" if event_type == 5 else bytes(8))
    for window_bytes in (1 << 20, 150):
        ours = converted(builder, window_bytes=window_bytes)
        assert [event["params"][1 if event["type"] == 5 else 2] for event in ours] == expected


def test_big_endian_captures_convert() -> None:
    builder = CaptureBuilder("big")
    builder.event(6, [(5).to_bytes(8, "big"), (100).to_bytes(4, "big")]).event(7, [(3).to_bytes(8, "big"), b"abc"])
    (batch,) = convert_batches(open_reader(io.BytesIO(builder.to_bytes())).batches())
    table = batch.parameters(7)
    assert [int(np.asarray(table.column(index).numbers().values)[0]) for index in (0, 2, 3)] == [3, 5, 100]
