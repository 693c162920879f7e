"""A team gives what one plugin gives, in the same order, whoever joins and whenever."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from scaptools.errors import PluginError
from scaptools.plugins.contract import Payloads
from scaptools.plugins.shared import team
from scaptools.plugins.shared.payloads import PayloadColumns
from scaptools.plugins.window import WindowPayloads

COUNT = 5000
TEXTS = [b"event %d%s" % (number, b" word" * (number % 3)) for number in range(COUNT)]


@pytest.fixture(autouse=True)
def eager(monkeypatch) -> None:
    monkeypatch.setattr(team, "_ALONE_SECONDS", -1.0)
    monkeypatch.setattr("scaptools.plugins.shared.plugin.useful_size", lambda: 3)


def payloads(texts: list[bytes]) -> Payloads:
    numbers = np.arange(1, len(texts) + 1, dtype=np.uint64)
    return Payloads(pa.array(texts, pa.binary()), numbers, numbers)


def columns(plugin, texts: list[bytes]) -> list[list[object]]:
    prepared = plugin.prepare(payloads(texts))
    names = ("sample.number", "sample.text", "sample.evtnum", "sample.words")
    return [plugin.extract(prepared, name, None).to_arrow().to_pylist() for name in names]


def joined(plugin) -> None:
    """Have the others join that are on their way."""
    for future in plugin.team._coming:
        future.exception()


def test_all_members_together_give_what_one_gives(build, load) -> None:
    plugin = load(build("sample.c", "2.0.0"))
    alone = columns(plugin, TEXTS)
    joined(plugin)
    assert columns(plugin, TEXTS) == alone
    assert len(plugin.team.others) == 2
    assert alone[0] == list(range(COUNT))
    assert columns(plugin, TEXTS[:7]) == [column[:7] for column in alone]
    processes = [session._process for session in plugin.team.others]
    plugin.end()
    assert all(process.poll() is not None for process in processes)


def test_one_that_cannot_be_started_is_done_without(build, load, monkeypatch) -> None:
    plugin = load(build("sample.c", "2.0.0"))

    def fail() -> None:
        raise PluginError("there is only one of it", plugin="sample")

    plugin.team.another = fail
    alone = columns(plugin, TEXTS)
    joined(plugin)
    assert columns(plugin, TEXTS) == alone
    assert plugin.team.others == []


def test_a_member_that_crashes_is_an_error(build, load) -> None:
    plugin = load(build("sample.c", "2.0.0"))
    columns(plugin, TEXTS)
    joined(plugin)
    prepared = plugin.prepare(payloads(TEXTS))
    plugin.team.others[0]._process.kill()
    with pytest.raises(PluginError, match="sample: crashed"):
        plugin.extract(prepared, "sample.number", None)


def test_plugins_in_this_process_or_with_state_are_alone(build, load) -> None:
    assert load(build("sample.c", "2.0.0"), in_process=True).team.size == 1
    assert load(build("sample.c", "2.0.0")).team.size == 3
    plugin = load(build("tables.c", "3.12.0"))
    assert plugin.keeps_state
    assert plugin.team.size == 1


def window(texts: list[bytes], gap: int) -> WindowPayloads:
    data = b"".join(bytes(gap) + text for text in texts)
    lengths = np.array([len(text) for text in texts], np.int64)
    starts = np.cumsum(lengths + gap) - lengths
    numbers = np.arange(1, len(texts) + 1, dtype=np.uint64)
    return WindowPayloads(
        np.frombuffer(data, np.uint8), starts, lengths, numbers, numbers, np.full(len(texts), 999, np.uint32)
    )


@pytest.mark.parametrize("gap", [0, 52, 5000])
def test_payloads_in_a_window_are_those_of_a_column(gap) -> None:
    texts = [b"", b"a", b"event 2", b"x" * 40, b""]
    there = window(texts, gap)
    made = PayloadColumns.of(there, there.ids)
    places = zip(made.starts.tolist(), made.sizes.tolist(), strict=True)
    assert [bytes(made.data[start : start + size]) for start, size in places] == texts
    assert (len(made.data) > sum(map(len, texts))) == (gap == 52)
    part = made.part(1, 4)
    places = zip(part.starts.tolist(), part.sizes.tolist(), strict=True)
    assert [bytes(part.data[start : start + size]) for start, size in places] == texts[1:4]
    assert part.numbers.tolist() == [2, 3, 4]
    assert len(made.part(2, 2)) == 0
    assert there.data.to_pylist() == texts
