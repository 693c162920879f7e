from __future__ import annotations

import io
import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from scap_formats.codec import parse
from scap_formats.pcapng import MAX_PACKET, PcapngBlock, parse_pcapng_block, upper_pdu
from scaptools import CaptureWriter, open_capture
from scaptools.export.wireshark import WiresharkExport
from scaptools.testing import CaptureBuilder

CAPTURES = Path(__file__).parents[2].parent / "shared" / "data" / "captures"
NAMES = sorted(path.name for path in CAPTURES.glob("*.scap")) or ["(none)"]


def exported(builder: CaptureBuilder) -> list[object]:
    """The blocks of an export, parsed."""
    target = io.BytesIO()
    capture = open_capture(io.BytesIO(builder.to_bytes()))
    with CaptureWriter(target) as writer:
        WiresharkExport(capture.catalog).run(capture.reader, writer)
    data, blocks, position = target.getvalue(), [], 0
    while position < len(data):
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        blocks.append(parse_pcapng_block(data[position : position + length]))
        position += length
    return blocks


def packets(blocks: list[object]) -> list[object]:
    return [block.body for block in blocks if block.block_type == PcapngBlock.EPB]  # type: ignore[attr-defined]


def payload(packet: object) -> bytes:
    return bytes(parse(upper_pdu(), packet.data).payload)  # type: ignore[attr-defined]


def test_skeleton_and_order() -> None:
    builder = (
        CaptureBuilder()
        .event("open", ts=50)
        .plugin_event(b'{"a":1}', ts=20)
        .event("container", [b"{}\0"], ts=0)
        .plugin_event(b'{"b":1}', plugin_id=1, ts=70)
        .plugin_event(b'{"c":1}', ts=10)
    )
    blocks = exported(builder)
    kinds = [block.block_type for block in blocks]  # type: ignore[attr-defined]
    assert kinds == [PcapngBlock.SHB, *[PcapngBlock.IDB] * 3, *[PcapngBlock.EPB] * 5, *[PcapngBlock.ISB] * 3]
    times = [(packet.ts_high << 32) + packet.ts_low for packet in packets(blocks)]  # type: ignore[attr-defined]
    assert times == [10, 20, 50, 50, 70]
    names = [
        next(bytes(option.value) for option in block.body.options if option.code == 2)  # type: ignore[attr-defined]
        for block in blocks
        if block.block_type == PcapngBlock.IDB  # type: ignore[attr-defined]
    ]
    assert names == [b"syscall", b"k8s_audit", b"aws_cloudtrail"]


def test_payloads_stay_as_they_are_or_become_readable() -> None:
    bodies = [b'{"a": "\xc3\xbc"}', b'{"a":"\xff"}', b"plain text", b"\x00\x01\xfe", b""]
    builder = CaptureBuilder()
    for body in bodies:
        builder.plugin_event(body)
    found = [payload(packet) for packet in packets(exported(builder))]
    assert found == [bodies[0], '{"a":"\ufffd"}'.encode(), bodies[2], bodies[3], b""]


def test_what_is_too_large_for_wireshark_stays_valid() -> None:
    document = {"small": 1, "large": "x" * 300_000, "text": "y" * 1000}
    builder = CaptureBuilder().plugin_event(json.dumps(document).encode())
    (packet,) = packets(exported(builder))
    assert packet.captured_length <= MAX_PACKET < packet.original_length  # type: ignore[attr-defined]
    assert json.loads(payload(packet)) == {"small": 1, "text": "y" * 1000, "_scap_truncated": ["large"]}


def shown(tshark: str, path: Path, *options: str) -> list[str]:
    done = subprocess.run([tshark, "-r", path, *options], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def trail(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared CloudTrail logs, recorded."""
    from scaptools.plugins.cloudtrail import CloudTrailPlugin
    from scaptools.record import record

    path = tmp_path_factory.mktemp("trail") / "trail.scap"
    with CaptureWriter(path) as writer:
        record([(CloudTrailPlugin(), str(shared_data / "cloudtrail" / "bucket"))], writer)
    return path


def export(source: Path, target: Path) -> Path:
    capture = open_capture(source)
    with CaptureWriter(target) as writer:
        WiresharkExport(capture.catalog).run(capture.reader, writer)
    return target


@pytest.mark.interop
def test_tshark_finds_what_our_filter_finds(trail: Path, tmp_path: Path, tshark: str) -> None:
    path = export(trail, tmp_path / "t.pcapng")
    regions = Counter(event["ct.region"] for event in open_capture(trail).events())
    for region, count in ((region, count) for region, count in regions.items() if region):
        assert len(shown(tshark, path, "-Y", f'json.path_with_value=="/awsRegion:{region}"')) == count
    assert len(shown(tshark, path, "-Y", 'json.value.string=="us-east-1"')) == regions["us-east-1"]
    assert len(shown(tshark, path)) == regions.total()
    assert shown(tshark, path, "-Y", '_ws.malformed || frame.protocols contains "data-text-lines"') == []
    numbers = shown(tshark, path, "-T", "fields", "-e", "frame.packet_id")
    assert sorted(map(int, numbers)) == list(range(1, regions.total() + 1))


@pytest.mark.interop
@pytest.mark.parametrize("name", NAMES)
def test_every_capture_dissects(name: str, shared_data: Path, tmp_path: Path, tshark: str) -> None:
    source = shared_data / "captures" / name
    path = export(source, tmp_path / "out.pcapng")
    assert shown(tshark, path, "-Y", "_ws.malformed") == []
    with open_capture(source) as capture:
        wanted = Counter(
            event["evt.type"] for event in capture.filter("not evt.type in (switch, procinfo)") if event["evt.type"]
        )
    functions = Counter(shown(tshark, path, "-T", "fields", "-e", "systemd_journal.code_func"))
    assert functions == wanted


@pytest.mark.interop
def test_strict_time_order(trail: Path, tmp_path: Path, tshark: str) -> None:
    path = export(trail, tmp_path / "t.pcapng")
    out = subprocess.run(["capinfos", path], capture_output=True, text=True, check=True).stdout
    assert "Strict time order:   True" in out
    assert "nanoseconds (9)" in out
