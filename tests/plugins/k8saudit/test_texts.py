"""Lines about events of several plugins in one capture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from scaptools.capture.encode import encode_plugin_events
from scaptools.capture.reader import open_reader
from scaptools.capture.writer import CaptureWriter
from scaptools.columns import ALL_ROWS
from scaptools.fields.plugin import event_plugin_fields
from scaptools.plugins.cloudtrail import CloudTrailPlugin
from scaptools.plugins.contract import EventStream, Payloads, PluginInfo, SourcePlugin
from scaptools.plugins.host import PluginHost
from scaptools.plugins.k8saudit import KubernetesAuditPlugin

if TYPE_CHECKING:
    from pathlib import Path

    from scaptools.columns import Column, Texts


class Shouting(SourcePlugin):
    """Has nothing but a text for one event at a time."""

    info: ClassVar[PluginInfo] = PluginInfo(name="shouting", version="1", description="", id=999, source="shouts")
    asked = 0

    def open(self, params: str) -> EventStream:
        raise NotImplementedError

    def event_text(self, payload: bytes) -> str:
        return payload.decode("utf-8", "surrogateescape").upper()

    def event_texts(self, payloads: Payloads) -> Texts:
        self.asked += 1
        return super().event_texts(payloads)


AUDIT = b'{"auditID":"1"}'
TRAIL = b'{"eventSource":"s3.amazonaws.com","awsRegion":"eu-west-1","eventName":"GetObject"}'
INFO = "<invalid cloudtrail event: userIdentity field missing>"


def info(path: Path, plugins: list[SourcePlugin], rows: Any = ALL_ROWS) -> list[bytes | None]:
    field = next(field for field in event_plugin_fields(lambda: PluginHost(plugins)) if field.name == "evt.plugininfo")
    found: list[bytes | None] = []
    for batch in open_reader(str(path)).batches():
        column: Column = field.extract(batch, rows, None)
        found += column.to_arrow().to_pylist()
    return found


def test_each_plugin_is_asked_once(tmp_path: Path) -> None:
    path = tmp_path / "a.scap"
    events = [(1, AUDIT), (999, b"a\xff"), (2, TRAIL), (7, b"nobody"), (999, b""), (1, b"x")]
    with CaptureWriter(str(path)) as writer:
        writer.section_header()
        for number, payload in events:
            writer.write([b"".join(encode_plugin_events(number, [payload], np.zeros(1, np.uint64)))])
    shouting = Shouting()
    plugins = [KubernetesAuditPlugin(), CloudTrailPlugin(), shouting]
    line = f"eu-west-1 s3 GetObject {INFO}".encode()
    wanted = [AUDIT, b"A?", line, None, b"", b"x"]
    assert info(path, plugins) == wanted
    assert shouting.asked == 1
    assert info(path, plugins, np.array([1, 2, 5])) == [b"A?", line, b"x"]
    assert info(path, plugins, np.array([3])) == [None]
    assert info(path, []) == [None] * 6
    assert info(path, plugins, np.array([], np.intp)) == []
