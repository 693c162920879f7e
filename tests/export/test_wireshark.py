from __future__ import annotations

import gzip
import io
import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from scap_formats.codec import parse
from scap_formats.pcapng import MAX_PACKET, PcapngBlock, parse_pcapng_block, upper_pdu
from scap_formats.table import event_table
from scap_formats.types import EventClass
from scaptools import CaptureWriter, open_capture
from scaptools.export.wireshark import WiresharkExport
from scaptools.testing import CaptureBuilder

CAPTURES = Path(__file__).parents[2].parent / "shared" / "data" / "captures"
TRACEPOINTS = {event.id for event in event_table().events if event.event_class is not EventClass.SYSCALL}
NAMES = sorted(path.name for path in CAPTURES.glob("*.scap")) or ["(none)"]


def exported(builder: CaptureBuilder, where: str | None = None) -> list[object]:
    """The blocks of an export, parsed."""
    target = io.BytesIO()
    capture = open_capture(io.BytesIO(builder.to_bytes()))
    predicate = None if where is None else capture.compile(where)
    with CaptureWriter(target) as writer:
        WiresharkExport(capture.catalog, predicate=predicate).run(capture.reader, writer)
    data, blocks, position = target.getvalue(), [], 0
    while position < len(data):
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        blocks.append(parse_pcapng_block(data[position : position + length]))
        position += length
    return blocks


def messages(blocks: list[object]) -> list[str]:
    """What the packet list shows of system calls."""
    return [payload(packet).split(b"\n")[0].removeprefix(b"MESSAGE=").decode() for packet in packets(blocks)]


def lines(packet: object) -> dict[str, str]:
    """The journal lines of a packet."""
    return dict(line.split("=", 1) for line in payload(packet).decode().splitlines())


def number(value: int, size: int = 8) -> bytes:
    return value.to_bytes(size, "little", signed=value < 0)


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
    assert kinds == [
        PcapngBlock.SHB,
        *[PcapngBlock.IDB] * 3,
        PcapngBlock.PROCESS,
        *[PcapngBlock.EPB] * 5,
        *[PcapngBlock.ISB] * 3,
    ]
    times = [(packet.ts_high << 32) + packet.ts_low for packet in packets(blocks)]  # type: ignore[attr-defined]
    assert times == [10, 20, 50, 50, 70]
    names = [
        next(bytes(option.value) for option in block.body.options if option.code == 2)  # type: ignore[attr-defined]
        for block in blocks
        if block.block_type == PcapngBlock.IDB  # type: ignore[attr-defined]
    ]
    assert names == [b"syscall", b"k8s_audit", b"aws_cloudtrail"]


#: Enter and exit of a read, as captures up to 2023 have them.
READ_ENTER, READ_EXIT, CLOSE_ENTER, CLOSE_EXIT, SWITCH = 6, 7, 4, 5, 152


def test_a_call_is_one_packet_when_it_returns() -> None:
    builder = (
        CaptureBuilder()
        .event(READ_ENTER, [number(3), number(100, 4)], ts=1000, tid=7)
        .event(READ_ENTER, [number(5), number(200, 4)], ts=1500, tid=8)
        .event(SWITCH, [number(0)] * 6, ts=1600, tid=7)
        .event(READ_EXIT, [number(2), b"hi"], ts=4000, tid=7)
        .event(READ_EXIT, [number(-11), b""], ts=6000, tid=8)
    )
    blocks = exported(builder)
    assert messages(blocks) == [
        "<NA>(7) read(fd=3, size=100, data=hi) = 2",
        "<NA>(8) read(fd=5, size=200, data=) = -1 EAGAIN",
    ]
    first, second = packets(blocks)
    assert lines(first)["SCAP_LATENCY_NS"] == "3000"
    assert "ERRNO" not in lines(first)
    assert (lines(second)["ERRNO"], lines(second)["SCAP_RES"], lines(second)["SCAP_DIR"]) == ("11", "EAGAIN", "<")
    numbers = [option.value for option in first.options if option.code == 5]  # type: ignore[attr-defined]
    assert numbers == [number(4)]


def test_a_call_that_does_not_return_is_there_when_it_was_made() -> None:
    builder = (
        CaptureBuilder()
        .event(READ_ENTER, [number(3), number(100, 4)], ts=1000, tid=7)
        .event(CLOSE_ENTER, [number(4)], ts=2000, tid=7)
        .event(READ_EXIT, [number(0), b""], ts=3000, tid=9)
    )
    assert messages(exported(builder)) == [
        "<NA>(7) read(fd=3, size=100) = ?",
        "<NA>(7) close(fd=4) = ?",
        "<NA>(9) read(data=) = 0",
    ]


@pytest.mark.parametrize("window", [60, 100, 1 << 16])
def test_windows_do_not_matter(window: int, shared_data: Path) -> None:
    def run(window_bytes: int) -> bytes:
        target = io.BytesIO()
        capture = open_capture(shared_data / "captures" / "connect_localhost.scap")
        capture.reader.window_bytes = window_bytes
        with CaptureWriter(target) as writer:
            WiresharkExport(capture.catalog, packets=True).run(capture.reader, writer)
        return target.getvalue()

    assert run(window * 100) == run(8 << 20)


def test_a_filter_keeps_whole_calls() -> None:
    builder = (
        CaptureBuilder()
        .event(READ_ENTER, [number(3), number(100, 4)], tid=7)
        .event(CLOSE_ENTER, [number(4)], tid=8)
        .event(READ_EXIT, [number(2), b"hi"], tid=7)
        .event(CLOSE_EXIT, [number(0)], tid=8)
        .event(READ_ENTER, [number(9), number(1, 4)], tid=8)
    )
    read = "<NA>(7) read(fd=3, size=100, data=hi) = 2"
    blocks = exported(builder, "evt.type=read and evt.dir=<")
    assert messages(blocks) == [read]
    interfaces = [block.body for block in blocks if block.block_type == PcapngBlock.IDB]  # type: ignore[attr-defined]
    filters = [option.value for option in interfaces[0].options if option.code == 11]
    assert filters == [b"\0evt.type=read and evt.dir=<"]
    assert messages(exported(builder, "evt.type=read and evt.dir=>")) == [read, "<NA>(8) read(fd=9, size=1) = ?"]
    assert messages(exported(builder, "evt.num=2")) == ["<NA>(8) close(fd=4) = 0"]


def test_line_ends_stay_in_their_line() -> None:
    builder = CaptureBuilder().event("chdir", [number(0), b"a\nb\0"], exit=True)
    (packet,) = packets(exported(builder))
    assert lines(packet)["MESSAGE"] == "<NA>(1) chdir(path=a\\nb) = 0"


def test_processes_have_blocks(shared_data: Path) -> None:
    target = io.BytesIO()
    capture = open_capture(shared_data / "captures" / "curl_google.scap")
    with CaptureWriter(target) as writer:
        WiresharkExport(capture.catalog, packets=True).run(capture.reader, writer)
    data = target.getvalue()
    kinds, position = [], 0
    processes = []
    while position < len(data):
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        block = parse_pcapng_block(data[position : position + length])
        kinds.append(block.block_type)
        if block.block_type == PcapngBlock.PROCESS:
            processes.append((block.body.pid, [bytes(option.value) for option in block.body.options if option.code]))
        elif block.block_type == PcapngBlock.EPB:
            (index,) = [option.value for option in block.body.options if option.code == 0x8001]
            assert processes[int.from_bytes(index, "little")] == (17497, [b"curl"])
        position += length
    assert processes == [(17497, [b"curl"])]
    assert list(dict.fromkeys(kinds)) == [
        *(PcapngBlock.SHB, PcapngBlock.IDB, PcapngBlock.NRB, PcapngBlock.PROCESS, PcapngBlock.EPB, PcapngBlock.ISB),
    ]


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


def export(source: Path, target: Path, *, packets: bool = False, events: bool = True) -> Path:
    capture = open_capture(source)
    with CaptureWriter(target) as writer:
        WiresharkExport(capture.catalog, packets=packets, events=events).run(capture.reader, writer)
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
    path = export(source, tmp_path / "out.pcapng", packets=True)
    assert shown(tshark, path, "-Y", "_ws.malformed || tcp.analysis.flags") == []
    wanted: Counter[str] = Counter()
    open_calls: dict[int, str] = {}
    with open_capture(source) as capture:
        for event in capture.filter("not evt.type in (switch, procinfo)"):
            tid, kind = event["thread.tid"], event["evt.type"]
            is_call = event.batch.header("type")[event.row] not in TRACEPOINTS
            if event["evt.dir"] == ">" and is_call:
                open_calls[tid] = kind
                wanted[kind] += 1
            elif not is_call or open_calls.pop(tid, None) != kind:
                wanted[kind] += 1
    columns = shown(tshark, path, "-Y", "systemd_journal", "-T", "fields", "-e", "systemd_journal.code_func")
    assert Counter(columns) == wanted


@pytest.mark.interop
def test_an_http_exchange_is_found(shared_data: Path, tmp_path: Path, tshark: str) -> None:
    path = export(shared_data / "captures" / "curl_google.scap", tmp_path / "out.pcapng", packets=True)
    fields = ["-T", "fields", "-E", "separator=|"]
    requests = shown(tshark, path, "-Y", "http.request", *fields, "-e", "http.host", "-e", "http.request.method")
    assert requests == ["www.google.com|GET"]
    assert shown(tshark, path, "-Y", "http.response.code", *fields, "-e", "http.response.code") == ["200"]
    answers = shown(tshark, path, "-Y", "dns.flags.response==1", *fields, "-e", "dns.qry.name", "-e", "dns.aaaa")
    assert answers == ["www.google.com|2607:f8b0:4004:802::2004"]
    assert len(shown(tshark, path, "-Y", "tcp.flags.syn==1 || tcp.flags.fin==1")) == 4
    assert len(shown(tshark, path, "-Y", "frame.cap_len<frame.len")) == 2
    resolved = shown(tshark, path, "-N", "n", "-Y", "http.request")
    assert "www.google.com HTTP" in resolved[0]
    assert len(shown(tshark, path, "-Y", "frame.packet_flags_direction==1 && dns")) == 1
    interface = ["-Y", 'frame.interface_name=="net:host"']
    numbers = shown(tshark, path, *interface, "-T", "fields", "-e", "frame.packet_id")
    assert numbers == ["1195", "1240", *["1273"] * 3, "1312", "1343", "1374", "1412", *["1427"] * 3]


@pytest.mark.interop
def test_packets_alone_have_one_link_type(shared_data: Path, tmp_path: Path, tshark: str) -> None:
    source = shared_data / "captures" / "curl_google.scap"
    path = export(source, tmp_path / "out.pcapng", packets=True, events=False)
    assert len(shown(tshark, path)) == 12
    out = subprocess.run(["capinfos", path], capture_output=True, text=True, check=True).stdout
    assert "Linux cooked-mode capture v2" in out
    assert "Strict time order:   True" in out


@pytest.mark.interop
def test_typed_filters_of_system_calls(shared_data: Path, tmp_path: Path, tshark: str) -> None:
    source = shared_data / "captures" / "curl_google.scap"
    path = export(source, tmp_path / "out.pcapng")
    failed = Counter(
        -event["evt.rawres"] for event in open_capture(source).filter("evt.rawres<0 and evt.dir=<") if event.type
    )
    for errno, count in failed.items():
        assert len(shown(tshark, path, "-Y", f"systemd_journal.errno=={errno}")) == count
    assert len(shown(tshark, path, "-Y", "systemd_journal.errno")) == failed.total()
    pid = shown(tshark, path, "-Y", 'systemd_journal.pid==17497 && systemd_journal.comm=="curl"')
    assert len(pid) == len(shown(tshark, path))
    (frame,) = json.loads("".join(shown(tshark, path, "-T", "json", "-Y", "frame.packet_id==215")))
    layer = frame["_source"]["layers"]["systemd_journal"]
    assert layer["systemd_journal.code_func"] == "access"
    assert layer["systemd_journal.message"].endswith(") = -1 ENOENT")


@pytest.mark.interop
def test_strict_time_order(trail: Path, tmp_path: Path, tshark: str) -> None:
    path = export(trail, tmp_path / "t.pcapng")
    out = subprocess.run(["capinfos", path], capture_output=True, text=True, check=True).stdout
    assert "Strict time order:   True" in out
    assert "nanoseconds (9)" in out


@pytest.mark.interop
def test_sources_and_packets_in_one_file(trail: Path, shared_data: Path, tmp_path: Path, tshark: str) -> None:
    host = shared_data / "captures" / "curl_google.scap"
    data = host.read_bytes()
    combined = tmp_path / "combined.scap"
    # Two sections one behind the other, the later one in time first.
    combined.write_bytes(b"".join([trail.read_bytes(), gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data]))
    path = export(combined, tmp_path / "out.pcapng", packets=True)
    counts = Counter(shown(tshark, path, "-T", "fields", "-e", "frame.interface_name"))
    logged = sum(map(len, open_capture(trail).batches()))
    assert counts == {"syscall": 601, "aws_cloudtrail": logged, "net:host": 12}
    out = subprocess.run(["capinfos", path], capture_output=True, text=True, check=True).stdout
    assert "Strict time order:   True" in out
    assert f"Number of packets:   {613 + logged}" in out
    assert out.count("Time precision = nanoseconds (9)") == 3
    assert shown(tshark, path, "-Y", "_ws.malformed || tcp.analysis.flags") == []
    hierarchy = " ".join(shown(tshark, path, "-q", "-z", "io,phs"))
    for protocol, frames in (("systemd_journal", 601), ("json", logged), ("sll", 12), ("dns", 2), ("http", 4)):
        assert f"{protocol} frames:{frames} " in " ".join(hierarchy.split())
