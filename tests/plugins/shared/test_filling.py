"""Blocks from the compiled loop are what Python makes of the same batches, whoever keeps them."""

from __future__ import annotations

import numpy as np
import pytest

from scaptools.capture.writer import CaptureWriter
from scaptools.errors import PluginError
from scaptools.plugins.blocks import EventBlocks
from scaptools.plugins.shared import filling, plugin, slot
from scaptools.record import record


def recorded(tmp_path, source, params: str, limit: int | None = None) -> bytes:
    path = tmp_path / "out.scap"
    with CaptureWriter(path) as writer:
        record([(source, params)], writer, limit=limit)
    return path.read_bytes()


@pytest.mark.parametrize("in_process", [True, False])
@pytest.mark.parametrize("version", ["0.3.0", "1.0.0", "2.0.0", "3.12.0"])
def test_both_ways_give_the_same_capture(build, load, tmp_path, monkeypatch, version, in_process) -> None:
    source = load(build("sample.c", version), in_process=in_process)
    wanted = [("500", None), ("20000,100,128", None), ("3,5000000,2", None), ("7,41,1", None), ("900,0,70", 333)]
    blocks = [recorded(tmp_path, source, *each) for each in wanted]
    monkeypatch.setattr(plugin, "gives_blocks", lambda declaration: False)
    assert blocks == [recorded(tmp_path, source, *each) for each in wanted]


def test_blocks_are_used(build, load) -> None:
    source = load(build("sample.c", "2.0.0"))
    batches = list(source.open("1000,100,128").recorded())
    assert all(isinstance(batch, EventBlocks) for batch in batches)
    assert sum(map(len, batches)) == 1000
    assert sum(batch.payload_bytes for batch in batches) == 100_000


@pytest.mark.parametrize("in_process", [True, False])
def test_who_keeps_blocks_keeps_them_as_they_were(build, load, monkeypatch, in_process) -> None:
    """More are kept than there are slots, and none is overwritten."""
    source = load(build("sample.c", "2.0.0"), in_process=in_process)
    kept = list(source.open("100000,100,128").recorded())
    assert len(kept) > len(slot.SlotSet(8).slots)
    block = np.dtype({"names": ["ts"], "formats": ["<u8"], "offsets": [10], "itemsize": 152})
    times = [np.frombuffer(batch.data, block)["ts"] for batch in kept if len(batch)]
    assert (np.diff(np.concatenate(times)) == 1_000_000).all()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_first_of_some_blocks(build, load, count) -> None:
    (blocks,) = (batch for batch in load(build("sample.c", "2.0.0")).open("3").recorded() if len(batch))
    first = blocks.first(count)
    texts = [b"event 0", b"event 1 word", b"event 2 word word"][:count]
    assert (len(first), first.payload_bytes) == (count, sum(map(len, texts)))
    assert all(text in bytes(first.data) for text in texts)
    assert b"event 2 word word" not in bytes(blocks.first(2).data)


@pytest.mark.parametrize("at", [0, 4, 148, 152 * 2 + 5])
def test_blocks_a_plugin_wrote_over_are_refused(build, load, at) -> None:
    source = load(build("sample.c", "2.0.0"))
    (blocks,) = (batch for batch in source.open("3,100").recorded() if len(batch))
    data = bytearray(blocks.data)
    assert source.session._whole(EventBlocks(memoryview(data), 3, 300)).data == blocks.data
    data[at] ^= 0x40
    with pytest.raises(PluginError, match="wrote over events it had given before"):
        source.session._whole(EventBlocks(memoryview(data), 3, 300))


FAULTS = [
    ("negative length", "gave an event of 4294967291 bytes, at most 268435456 are taken"),
    ("null payload", "gave an event at an address that cannot be read"),
    ("wild payload", "gave an event at an address that cannot be read"),
    ("null batch", "gave a batch of 2 events without any"),
    ("endless batch", "gave a batch of 4294967295 events, at most 16777216 are taken"),
    ("empty batch", "gave an empty batch, but neither its end nor a time-out"),
    ("failure", "reading events failed: the fault's own words"),
]


@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize(("fault", "message"), FAULTS)
def test_both_ways_find_the_same_faults(build, load, monkeypatch, fault, message, blocks) -> None:
    if not blocks:
        monkeypatch.setattr(plugin, "gives_blocks", lambda declaration: False)
    stream = load(build("faulty.c", "2.0.0", FAULT=f'"{fault}"'), in_process=True).open("")
    events = 0
    with pytest.raises(PluginError, match=message):
        for batch in stream.recorded():
            events += len(batch)
    assert events == 3


@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize(
    ("macro", "message"),
    [
        ("WRONG_TYPE", r"gave an event that is no plugin event \(type 321, 2 parameters, 45 bytes\)"),
        ("WRONG_ID", "gave an event of the plugin id 7, its own is 999"),
    ],
)
def test_events_that_are_none_of_its_own(build, load, monkeypatch, macro, message, blocks) -> None:
    if not blocks:
        monkeypatch.setattr(plugin, "gives_blocks", lambda declaration: False)
    stream = load(build("sample.c", "3.12.0", **{macro: 1}), in_process=True).open("3")
    with pytest.raises(PluginError, match=message):
        list(stream.recorded())


def test_without_loops_or_mappings_there_are_no_blocks(build, load, monkeypatch, tmp_path) -> None:
    declaration = load(build("sample.c", "2.0.0"), in_process=True).declaration
    assert filling.gives_blocks(declaration)
    monkeypatch.setattr(filling, "compiled", lambda major: None)
    assert not filling.gives_blocks(declaration)
    monkeypatch.undo()
    monkeypatch.setattr(filling, "_MAPPINGS", tmp_path / "none")
    assert not filling.gives_blocks(declaration)
