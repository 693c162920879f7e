"""Every API generation gives the same events and the same values, in a process of its own and in ours."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from scap_formats.types import ParamType
from scaptools.errors import PluginError
from scaptools.plugins.contract import ArgumentRule, Payloads

BOTH = pytest.mark.parametrize("in_process", [False, True], ids=["child", "here"])
#: The newest version of every generation, and older ones that load as well.
VERSIONS = ("0.2.0", "0.3.0", "1.0.0", "2.0.0", "3.0.0", "3.4.1", "3.12.0")
NEWEST = ("0.3.0", "1.0.0", "2.0.0", "3.12.0")
START = 1_600_000_000_000_000_000
WORDS = (b"event 0", b"event 1 word", b"event 2 word word")


def payloads(values: tuple[bytes, ...], first: int = 1) -> Payloads:
    numbers = np.arange(first, first + len(values), dtype=np.uint64)
    return Payloads(pa.array(values, pa.binary()), numbers * 1000, numbers)


def values(plugin, name, argument=None, data=WORDS):
    return plugin.extract(plugin.prepare(payloads(data)), name, argument).to_arrow().to_pylist()


@pytest.mark.parametrize("version", VERSIONS)
@BOTH
def test_events(build, load, version, in_process) -> None:
    plugin = load(build("sample.c", version), {"prefix": "<"}, in_process=in_process)
    stream = plugin.open("1000,0,7")
    events = [event for batch in stream for event in batch]
    assert [event.payload for event in events[:3]] == [b"<" + text for text in WORDS]
    assert [event.timestamp_ns for event in events] == [START + i * 10**6 for i in range(1000)]
    assert events[999].payload == b"<event 999"
    fraction, text = stream.progress()
    assert 0 < fraction <= 1
    assert text == "counting"
    stream.close()


@pytest.mark.parametrize("version", NEWEST)
@BOTH
def test_declaration(build, load, version, in_process) -> None:
    plugin = load(build("sample.c", version), in_process=in_process)
    info = plugin.info
    assert (info.name, info.version, info.id, info.source) == ("sample", "1.2.3", 999, "sample")
    assert plugin.declaration.capabilities == {"sourcing", "extraction"}
    assert plugin.extract_sources == ("sample",)
    assert plugin.config_schema["additionalProperties"] is False
    assert [field.name for field in plugin.fields[:3]] == ["sample.number", "sample.text", "sample.even"]
    assert plugin.open_parameters()[0].value == "10"
    assert plugin.event_text(b"abc") == "<abc>"


@pytest.mark.parametrize("version", NEWEST)
@BOTH
def test_values(build, load, version, in_process) -> None:
    plugin = load(build("sample.c", version), {"prefix": "p"}, in_process=in_process)
    assert values(plugin, "sample.number") == [0, 1, 2]
    assert values(plugin, "sample.text") == list(WORDS)
    assert values(plugin, "sample.even") == [b"even", None, b"even"]
    assert values(plugin, "sample.evtnum") == [1, 2, 3]
    assert values(plugin, "sample.config") == [b'{"prefix": "p"}'] * 3
    assert values(plugin, "sample.text", data=()) == []


@pytest.mark.parametrize("version", NEWEST[1:])
@BOTH
def test_lists_and_arguments(build, load, version, in_process) -> None:
    plugin = load(build("sample.c", version), in_process=in_process)
    assert values(plugin, "sample.words") == [text.split() for text in WORDS]
    assert values(plugin, "sample.lengths") == [[5, 1], [5, 1, 4], [5, 1, 4, 4]]
    assert values(plugin, "sample.words", data=(b"", b"x")) == [None, [b"x"]]
    assert values(plugin, "sample.part", "2") == [None, b"word", b"word"]
    assert values(plugin, "sample.keyed", "a.b") == [b"a.b:1"] * 3
    assert values(plugin, "sample.keyed") == [b"(null):0"] * 3
    absent = b"ffffffffffffffff" if version.startswith("3") else b"0"
    assert values(plugin, "sample.both", "5") == [b"5:5"] * 3
    assert values(plugin, "sample.both", "x") == [b"x:" + absent] * 3
    assert values(plugin, "sample.both") == [b"(null):" + absent] * 3


@BOTH
def test_newer_types(build, load, in_process) -> None:
    plugin = load(build("sample.c", "3.12.0"), in_process=in_process)
    address = bytes.fromhex("20010db8000000000000000000000001")
    assert values(plugin, "sample.flag") == [0, 1, 0]
    assert values(plugin, "sample.since") == [0, 1000, 2000]
    assert values(plugin, "sample.address") == [b"\n\0\0\1", address, b"\n\0\0\1"]
    types = {field.name: field.type for field in plugin.fields}
    assert types["sample.net"] is ParamType.IPNET


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (None, "sample.part needs an argument"),
        ("x", "sample.part takes an index, not 'x'"),
        ("01", "sample.part takes an index, not '01'"),
        ("-1", "sample.part takes an index, not '-1'"),
        (str(2**64), f"sample.part takes an index, not '{2**64}'"),
    ],
)
def test_wrong_arguments(build, load, argument, message) -> None:
    plugin = load(build("sample.c", "2.0.0"), in_process=True)
    with pytest.raises(PluginError, match=message):
        values(plugin, "sample.part", argument)


def test_argument_rules(build, load) -> None:
    plugin = load(build("sample.c", "3.12.0"), in_process=True)
    rules = {field.name.partition(".")[2]: field.argument for field in plugin.fields}
    assert rules["number"] is ArgumentRule.NONE
    assert rules["part"] is ArgumentRule.REQUIRED_INDEX
    assert rules["keyed"] is ArgumentRule.OPTIONAL_KEY
    assert rules["both"] is ArgumentRule.OPTIONAL_EITHER


@pytest.mark.parametrize("version", NEWEST)
def test_empty_configuration(build, load, version) -> None:
    plugin = load(build("sample.c", version))
    assert values(plugin, "sample.config")[0] == (b"" if version.startswith("0") else b"{}")


@pytest.mark.parametrize("version", NEWEST)
@BOTH
def test_refused_configuration(build, load, version, in_process) -> None:
    library = build("sample.c", version)
    for config, message in (
        ({"prefix": 1}, "init configuration: prefix is not of type string"),
        ({"other": 1}, "init configuration: the configuration has a member other that is not known"),
        ("{", "init configuration: not JSON"),
        ({"prefix": "refuse"}, "init failed: the prefix is refused"),
    ):
        with pytest.raises(PluginError, match=message):
            load(library, config, in_process=in_process)


@BOTH
def test_several_streams_of_one_plugin(build, load, in_process) -> None:
    plugin = load(build("sample.c", "3.12.0"), in_process=in_process)
    first, second = plugin.open("3"), plugin.open("2")
    assert [len(batch) for batch in first] + [len(batch) for batch in second] == [3, 2]
    first.close()
    second.close()


def test_newer_plugins_in_older_hosts(build, load) -> None:
    for version in ("0.4.0", "1.1.0", "2.1.0", "3.12.1", "3.13.0"):
        with pytest.raises(PluginError, match=f"requires plugin API {version}, which is not known"):
            load(build("sample.c", version))
