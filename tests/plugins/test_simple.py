"""The simple form of plugins, the check that finds what is wrong with one, and the template they start from."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from scap_formats.types import ParamType
from scaptools.columns import Numbers
from scaptools.errors import OutputError, PluginError
from scaptools.plugins.check import check_plugin
from scaptools.plugins.contract import ArgumentRule, ExtractorPlugin, Payloads, PluginField, PluginInfo, SourceEvent
from scaptools.plugins.simple import EventExtractor, EventSource, event_field
from scaptools.plugins.template import write_template


class Words(EventSource, EventExtractor):
    info = PluginInfo("words", "0.1.0", "Words of a text", id=999, source="words")

    def events(self, params):
        for word in params.split():
            if word == "fail":
                raise ValueError("no such word")
            yield None if word == "idle" else SourceEvent(word.encode(), 5) if word == "five" else word.encode()

    @event_field("words.count", ParamType.UINT64, "How many.")
    def count(self, event, argument):
        return len(event.payload.split()) or None

    @event_field("words.all", ParamType.CHARBUF, "Every one.", is_list=True)
    def every(self, event, argument):
        return [word.decode("latin-1").encode() for word in event.payload.split()]

    @event_field("words.at", ParamType.CHARBUF, "One.", argument=ArgumentRule.REQUIRED_INDEX)
    def at(self, event, argument):
        words = event.payload.split()
        return words[int(argument)] if int(argument) < len(words) else None

    @event_field("words.loud", ParamType.BOOL, "Whether it is loud.")
    def loud(self, event, argument):
        return b"!" in event.payload


def extracted(plugin, name, argument=None, data=(b"a b!", b"", b"c")):
    numbers = np.arange(len(data), dtype=np.uint64)
    prepared = plugin.prepare(Payloads(pa.array(data, pa.binary()), numbers, numbers))
    return plugin.extract(prepared, name, argument).to_arrow().to_pylist()


def test_fields() -> None:
    plugin = Words()
    assert [field.name for field in plugin.fields] == ["words.count", "words.all", "words.at", "words.loud"]
    assert extracted(plugin, "words.count") == [2, None, 1]
    assert extracted(plugin, "words.all") == [[b"a", b"b!"], None, [b"c"]]
    assert extracted(plugin, "words.at", "1") == [b"b!", None, None]
    assert extracted(plugin, "words.loud") == [1, 0, 0]
    with pytest.raises(PluginError, match=r"there is no field words\.none"):
        extracted(plugin, "words.none")
    with pytest.raises(PluginError, match=r"words\.at failed: TypeError"):
        extracted(plugin, "words.at")


def test_events() -> None:
    batches = list(Words().open("a idle five"))
    assert [[event.payload for event in batch] for batch in batches] == [[b"a"], [b"five"]]
    assert batches[1][0].timestamp_ns == 5
    stream = iter(Words().open("a fail b"))
    assert [event.payload for event in next(stream)] == [b"a"]
    with pytest.raises(PluginError, match="reading events failed: ValueError: no such word"):
        next(stream)


def test_subclasses_inherit_fields() -> None:
    class More(Words):
        @event_field("words.more", ParamType.UINT64, "More.")
        def more(self, event, argument):
            return 1

    assert [field.name for field in More.fields][-1] == "words.more"
    assert len(Words.fields) == 4


def test_a_good_plugin_passes() -> None:
    assert check_plugin(Words(), "a b c") == []


class Broken(ExtractorPlugin):
    info = PluginInfo("Broken!", "one", "", id=5, source="")
    fields = (
        PluginField("flat", ParamType.UINT64, ""),
        PluginField("b.kind", ParamType.CHARBUF, "d"),
        PluginField("b.list", ParamType.UINT64, "d", is_list=True),
        PluginField("b.short", ParamType.UINT64, "d"),
        PluginField("b.moody", ParamType.UINT64, "d"),
        PluginField("b.neighbours", ParamType.UINT64, "d"),
        PluginField("b.raises", ParamType.UINT64, "d"),
        PluginField("b.raises", ParamType.UINT64, "d"),
    )
    calls = 0

    def prepare(self, payloads):
        return len(payloads)

    def extract(self, prepared, name, argument):
        self.calls += 1
        if name == "b.raises":
            raise ValueError("on purpose")
        values = {
            "b.short": np.zeros(max(prepared - 1, 0), np.uint64),
            "b.moody": np.full(prepared, self.calls, np.uint64),
            "b.neighbours": np.arange(prepared, dtype=np.uint64),
        }
        return Numbers(values.get(name, np.zeros(prepared, np.uint64)))


def test_a_broken_plugin_is_found_out() -> None:
    findings = {str(finding) for finding in check_plugin(Broken())}
    assert findings >= {
        "name: 'Broken!' is not made of small letters, digits, _ and -",
        "version: 'one' is not of the form 1.2.3",
        "description: is empty",
        "id: there must be an id and an event source, or neither",
        "flat: is not of the form prefix.name",
        "flat: has no description",
        "b.raises: is declared twice",
        "b.raises: fails: ValueError('on purpose')",
        "b.kind: is declared CHARBUF and gives numbers",
        "b.list: is declared a list and is none, or the other way round",
        "b.short: gives 8 values for 9 events",
        "b.moody: gives other values when asked again",
        "b.neighbours: gives an event another value when the events around it are others",
    }


def test_the_template_is_a_plugin_that_passes(tmp_path) -> None:
    files = write_template("my_logs", tmp_path / "plugin")
    assert [str(file.relative_to(tmp_path / "plugin")) for file in files] == [
        "pyproject.toml",
        "README.md",
        "scaptools_my_logs/__init__.py",
        "tests/test_plugin.py",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "-o", "pythonpath=."],
        cwd=tmp_path / "plugin",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "2 passed" in done.stdout, done.stdout
    with pytest.raises(OutputError, match="cannot be written"):
        write_template("my_logs", tmp_path / "plugin")
    with pytest.raises(PluginError, match="small letters"):
        write_template("My Logs", tmp_path / "other")
