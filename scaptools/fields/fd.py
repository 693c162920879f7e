"""The fd.* fields: the file descriptor an event is about."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.descriptors import DescriptorType
from scap_formats.table import event_table
from scap_formats.types import ParamType, PrintFormat
from scaptools.columns import Coded, Column, Lists, Numbers, Rows, Texts
from scaptools.errors import FormatError
from scaptools.fields.model import Cost, Field, FieldArgument
from scaptools.state.descriptors import (
    CONNECTIONS,
    SERVERS,
    TYPE_TEXTS,
    Descriptor,
    Role,
    address_text,
    transport,
)
from scaptools.state.engine import state_of
from scaptools.state.fdnames import EventNames
from scaptools.state.timeline import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.fields.model import Extract
    from scaptools.state.batchstate import BatchState

    Ints = NDArray[np.int64]

_FILES = (DescriptorType.FILE, DescriptorType.FILE_V2)
_NO_NAME = b"<NA>"
#: What stands for the address of a container that is not known.
_ANY = "0.0.0.0"  # noqa: S104 - nothing is bound to it


# Values worked out once per descriptor ------------------------------------------------------------------------------


def _of_descriptors(state: BatchState, key: Any, of: Callable[[Descriptor], Any], of_file: Any) -> list[Any]:
    """A value of every descriptor; those that are open files and no more share one."""
    descriptors = state.descriptors

    def work_out() -> list[Any]:
        return [*map(of, descriptors.descriptors), *[of_file] * len(descriptors.opens)]

    return state.memo(("descriptors", key), work_out)


def descriptor_text(of: Callable[[Descriptor], bytes | None], of_file: bytes | None) -> Extract:
    """A text of the descriptor each event is about; ``of_file`` is that of open files."""

    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
        state = state_of(batch)
        texts = state.memo(("descriptor texts", of), lambda: Texts.of(_of_descriptors(state, of, of, of_file)))
        return Coded(state.descriptors.of_events(rows).values, texts)

    return extract


def descriptor_number(of: Callable[[Descriptor], int | None], dtype: type, of_file: int | None = None) -> Extract:
    """A number of the descriptor each event is about; ``of_file`` is that of open files."""

    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
        state = state_of(batch)

        def numbers() -> Numbers:
            found = _of_descriptors(state, of, of, of_file)
            values: NDArray[Any] = np.array([0 if value is None else value for value in found], dtype)
            return Numbers(values, np.array([value is not None for value in found], bool))

        return Coded(state.descriptors.of_events(rows).values, state.memo(("descriptor numbers", of), numbers))

    return extract


def _is_ip(descriptor: Descriptor) -> bool:
    return descriptor.type in CONNECTIONS or descriptor.type in SERVERS


def _has_role(descriptor: Descriptor) -> bool:
    return descriptor.role != Role.NONE


def _client_address(descriptor: Descriptor) -> bytes | None:
    is_known = descriptor.type in CONNECTIONS and _has_role(descriptor)
    return (descriptor.ends.sip or None) if is_known else None


def _server_address(descriptor: Descriptor) -> bytes | None:
    return (descriptor.ends.dip or None) if _is_ip(descriptor) and _has_role(descriptor) else None


def _client_port(descriptor: Descriptor) -> int | None:
    return descriptor.ends.sport if descriptor.type in CONNECTIONS and _has_role(descriptor) else None


def _server_port(descriptor: Descriptor) -> int | None:
    if descriptor.type in SERVERS:
        return descriptor.ends.dport
    return descriptor.ends.dport if descriptor.type in CONNECTIONS and _has_role(descriptor) else None


def _port_text(of: Callable[[Descriptor], int | None]) -> Callable[[Descriptor], bytes | None]:
    def text(descriptor: Descriptor) -> bytes | None:
        port = of(descriptor)
        return None if port is None else str(port).encode()

    return text


def _l4(descriptor: Descriptor) -> bytes:
    return (transport(descriptor) or "<NA>").encode()


def _family(descriptor: Descriptor) -> bytes | None:
    if _is_ip(descriptor):
        return b"ip"
    return b"unix" if descriptor.type == DescriptorType.UNIX_SOCKET else None


# Fields that need more than the descriptor --------------------------------------------------------------------------


def _local(state: BatchState, rows: Rows) -> tuple[Ints, NDArray[np.bool_], NDArray[np.bool_]]:
    """The descriptors of events, and whether their source and their destination are addresses of the machine.

    The addresses of containers count inside a container; one whose address is not known makes all wildcards count.
    """
    values = state.descriptors.of_events(rows).values
    containers = state.container_of(rows)
    pairs, inverse = np.unique(np.stack((values, containers)), axis=1, return_inverse=True)
    network = state.descriptors.network
    known = {container.ip or _ANY for container in state.containers}
    answers = []
    for value, container in pairs.T.tolist():
        descriptor = None if value == ABSENT else state.descriptors.descriptor(value)
        if descriptor is None or not _is_ip(descriptor):
            answers.append((False, False))
            continue
        own = state.containers[container].ip or _ANY if container != ABSENT else None
        extra = known if own == _ANY else {own}
        source, target = (
            bool(address)
            and (
                (network.is_local(address) and not (len(address) == 16 and container != ABSENT))
                or address_text(address) in extra
            )
            for address in (descriptor.ends.sip, descriptor.ends.dip)
        )
        answers.append((source, target))
    table = np.array(answers, bool).reshape(-1, 2)[inverse.ravel()]
    return values, table[:, 0], table[:, 1]


def _sided(
    from_client: Callable[[Descriptor], Any], from_server: Callable[[Descriptor], Any], *, local: bool, numeric: bool
) -> Extract:
    """The local or the remote end: the source where that is the machine's and ``local``, or neither, ..."""

    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
        state = state_of(batch)
        values, source_is_local, _ = _local(state, rows)
        first = _of_descriptors(state, from_client, from_client, None)
        second = _of_descriptors(state, from_server, from_server, None)
        is_connection = np.isin(state.descriptors.types, CONNECTIONS)
        take_source = source_is_local == local
        codes = np.where(take_source, values, values + len(first))
        shown = (values != ABSENT) & (is_connection[values] if len(is_connection) else False)
        codes = np.where(shown, codes, ABSENT)
        both = [*first, *second]
        if not numeric:
            return Coded(codes, Texts.of(both))
        numbers = Numbers(
            np.array([value or 0 for value in both], np.uint16), np.array([value is not None for value in both], bool)
        )
        return Coded(codes, numbers)

    return extract


def _is_server(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    state = state_of(batch)
    values, _, target_is_local = _local(state, rows)
    types = state.descriptors.types
    known = values != ABSENT
    of_type = types[values] if len(types) else np.zeros(len(values), np.int64)
    connected = np.isin(of_type, CONNECTIONS) & target_is_local
    return Numbers(known & (np.isin(of_type, SERVERS) | connected), known)


def _connected(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    state = state_of(batch)
    values = state.descriptors.of_events(rows).values
    return Numbers(state.descriptors.connected(rows), values != ABSENT)


def _name_changed(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    state = state_of(batch)
    values = state.descriptors.of_events(rows).values
    return Numbers(state.descriptors.changed_names(rows), values != ABSENT)


def _fd(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    found = state_of(batch).descriptors.of_events(rows)
    return Numbers(found.fds, found.applies)


def _type_text(place: int) -> tuple[bytes, ...]:
    return tuple(TYPE_TEXTS[type_][place].encode() for type_ in sorted(TYPE_TEXTS))


def _type(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    state = state_of(batch)
    values = state.descriptors.of_events(rows).values
    types = state.descriptors.types
    codes = np.where(values != ABSENT, types[values], ABSENT) if len(types) else values
    return Coded(codes, Texts.of(_type_text(1)))


#: The letters of events whose descriptor is not known, by the name of the call.
_LETTERS = {
    **dict.fromkeys(("open", "openat", "openat2", "creat"), "f"),
    **dict.fromkeys(("socket", "accept", "accept4"), "4"),
    **dict.fromkeys(("pipe", "pipe2"), "p"),
    **dict.fromkeys(("eventfd", "eventfd2"), "e"),
    **dict.fromkeys(("signalfd", "signalfd4"), "s"),
    "timerfd_create": "t",
    **dict.fromkeys(("inotify_init", "inotify_init1"), "i"),
}


@cache
def _letters() -> tuple[tuple[bytes, ...], Ints]:
    """The letters of all descriptor types and behind them those of event types, and where each event type's is."""
    known = _type_text(0)
    others = sorted({*_LETTERS.values(), "o"})
    place = {letter: len(known) + index for index, letter in enumerate(others)}
    of_event = np.array([place[_LETTERS.get(event.name, "o")] for event in event_table().events], np.int64)
    return (*known, *(letter.encode() for letter in others)), of_event


def _type_char(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    state = state_of(batch)
    found = state.descriptors.of_events(rows)
    letters, of_event = _letters()
    types = state.descriptors.types
    codes = of_event[batch.header("type", rows)]
    if len(types):
        codes = np.where(found.values != ABSENT, types[found.values], codes)
    return Coded(np.where(found.applies, codes, ABSENT), Texts.of(letters))


# Names --------------------------------------------------------------------------------------------------------------


def _event_names(state: BatchState) -> EventNames:
    return state.memo("event names", lambda: EventNames(state))


def _name(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    names = _event_names(state_of(batch))
    return Coded(names.codes[rows], Texts(names.names))


def _raw_name(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    state = state_of(batch)
    return Coded(state.descriptors.of_events(rows).values, Texts(_without_doubled_slashes(state)))


def _without_doubled_slashes(state: BatchState) -> pa.Array:
    import pyarrow.compute as pc

    names = state.descriptors.raw_names
    return state.memo("raw names", lambda: pc.fill_null(pc.replace_substring_regex(names, "//+", "/"), b""))


def _directory_of(name: bytes) -> bytes:
    if name.endswith(b"/"):
        return name
    slash = name.rfind(b"/")
    return name[:slash] if slash > 0 else b"/"


def _file_of(name: bytes) -> bytes:
    slash = name.rfind(b"/")
    if slash < 0:
        return b"/"
    return name[slash + 1 :] or name


def _per_name(state: BatchState, codes: Ints, key: str, of: Callable[[bytes], bytes]) -> Coded:
    """A text worked out from each name that occurs."""
    names = _event_names(state)

    def work_out() -> dict[int, bytes]:
        return {}

    done: dict[int, bytes] = state.memo(("per name", key), work_out)
    used = np.unique(codes[codes >= 0])
    missing = [int(code) for code in used if int(code) not in done]
    if missing:
        import pyarrow as pa

        texts = names.names.take(pa.array(missing)).to_pylist()
        done.update((code, of(text or b"")) for code, text in zip(missing, texts, strict=True))
    at = np.searchsorted(used, codes)
    return Coded(np.where(codes >= 0, at, ABSENT), Texts.of(done[int(code)] for code in used))


def _name_types(state: BatchState, rows: Rows) -> tuple[Ints, Ints]:
    """The codes of events' names, a known descriptor's being its own, and the types of descriptors or `ABSENT`."""
    names, types = _event_names(state), state.descriptors.types
    values = state.descriptors.of_events(rows).values
    codes = np.where(values != ABSENT, values, names.codes[rows])
    return codes, np.where(values != ABSENT, types[values], ABSENT) if len(types) else values


def _directory(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    state = state_of(batch)
    codes, types = _name_types(state, rows)
    is_directory = types == DescriptorType.DIRECTORY
    cut = np.where(np.isin(types, _FILES) | (types == ABSENT), codes, ABSENT)
    files = _per_name(state, cut, "directory", _directory_of)
    whole = _per_name(state, np.where(is_directory, codes, ABSENT), "whole", bytes)
    return _either(files, whole)


def _either(first: Coded, second: Coded) -> Coded:
    """The first column, and where that is missing the second."""
    import pyarrow as pa

    values = pa.concat_arrays([first.values.to_arrow(), second.values.to_arrow()])
    shifted = np.where(second.codes >= 0, second.codes + len(first.values), ABSENT)
    return Coded(np.where(first.codes >= 0, first.codes, shifted), Texts(values))


def _filename(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    state = state_of(batch)
    codes, types = _name_types(state, rows)
    return _per_name(state, np.where(np.isin(types, _FILES), codes, ABSENT), "filename", _file_of)


def _with_container(of: Extract) -> Extract:
    """A text with the id of the event's container and a colon in front of it."""

    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:
        import pyarrow as pa

        state = state_of(batch)
        texts = of(batch, rows, argument)
        threads = state.threads(rows)
        if not isinstance(texts, Coded) or not state.versions:
            return texts
        ids = list(dict.fromkeys(thread.container for thread in state.versions))
        place = {identity: index for index, identity in enumerate(ids)}
        containers = np.array([place[thread.container] for thread in state.versions], np.int64)[threads]
        valid = texts.codes >= 0
        pairs, inverse = np.unique(
            np.stack((containers[valid], texts.codes[valid].astype(np.int64))), axis=1, return_inverse=True
        )
        names = texts.values.to_arrow().take(pa.array(pairs[1])).to_pylist()
        codes = np.full(len(threads), ABSENT)
        codes[valid] = inverse.ravel()
        return Coded(
            codes, Texts.of(b"%s:%s" % (ids[at], name or b"") for at, name in zip(pairs[0], names, strict=True))
        )

    return extract


def _uid(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    import pyarrow as pa
    import pyarrow.compute as pc

    found = state_of(batch).descriptors.of_events(rows)
    parts = (batch.header("tid", rows), found.fds)
    texts = pc.binary_join_element_wise(*(pa.array(part).cast(pa.string()) for part in parts), "")
    missing = pa.array(~found.applies)
    return Texts(pc.if_else(missing, pa.scalar(None, pa.string()), texts).cast(pa.binary()))


# Both ends ----------------------------------------------------------------------------------------------------------


def _both(of: Callable[[Descriptor], tuple[Any, ...]], *, numeric: bool) -> Extract:
    """Lists of what both ends of each event's connection have; server sockets have one end."""

    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
        state = state_of(batch)
        values = state.descriptors.of_events(rows).values
        lists = _of_descriptors(state, of, of, ())
        counts = np.array([len(each) for each in lists] + [0], np.int64)
        flat = [value for each in lists for value in each]
        starts = np.concatenate(([0], np.cumsum(counts)))
        lengths = counts[values]
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        elements = np.repeat(starts[values] - offsets[:-1], lengths) + np.arange(offsets[-1])
        column = Numbers(np.array(flat, np.uint16)) if numeric else Texts.of(flat)
        return Lists(offsets, column.take(elements), lengths > 0)

    return extract


def _both_addresses(descriptor: Descriptor) -> tuple[bytes, ...]:
    if descriptor.type in SERVERS:
        return (descriptor.ends.dip,)
    return (descriptor.ends.sip, descriptor.ends.dip) if descriptor.type in CONNECTIONS and descriptor.ends.sip else ()


def _both_ports(descriptor: Descriptor) -> tuple[int, ...]:
    if descriptor.type in SERVERS:
        return (descriptor.ends.dport,)
    return (descriptor.ends.sport, descriptor.ends.dport) if descriptor.type in CONNECTIONS else ()


def _never(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    """Names that only a live resolver could tell."""
    return Coded(np.full(len(np.arange(len(batch))[rows]), ABSENT), Texts.of([]))


# All descriptors of a process ---------------------------------------------------------------------------------------


def _parse_fd(text: str) -> int:
    if not text.isdigit():
        raise FormatError(f"{text} is no descriptor", hint="write a number, as in fd.types[1]")
    return int(text)


def _types(batch: EventBatch, rows: Rows, fd: int | None) -> Column:
    state = state_of(batch)
    events = state.descriptors.of_events(rows)
    texts = Texts.of(_type_text(1))
    if fd is not None:
        found = state.descriptors.type_of(rows, fd)
        there = found != ABSENT
        offsets = np.concatenate(([0], np.cumsum(there)))
        return Lists(offsets, texts.take(found[there]), events.applies & there)
    index = state.index(rows)
    offsets, types = state.descriptors.type_sets.lists(state.descriptors.tables_of(index), 2 * index)
    return Lists(offsets, texts.take(types), events.applies)


def _major(dev: int) -> int:
    return (dev & 0xFFF00) >> 8


def _minor(dev: int) -> int:
    return (dev & 0xFF) | ((dev >> 12) & 0xFFF00)


def _whole(dev: int) -> int:
    return dev


def _property(attribute: str, of: Callable[[int], int], dtype: type) -> Extract:
    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
        state = state_of(batch)

        def numbers() -> Numbers:
            values = state.descriptors.numbers(attribute).tolist()
            wide = np.array([of(value) & 0xFFFFFFFFFFFFFFFF for value in values], np.uint64)
            return Numbers(wide.astype(dtype))

        return Coded(
            state.descriptors.of_events(rows).values, state.memo(("descriptor property", attribute, of), numbers)
        )

    return extract


def _layer(bit: int) -> Callable[[int], int]:
    return lambda flags: bool(flags & bit)


_UPPER_LAYER, _LOWER_LAYER = 0x8000, 0x10000
_FILTER_ONLY = frozenset({"FILTER_ONLY", "NO_TRANSFORMER", "NO_RHS"})
_UNCHANGED = frozenset({"NO_TRANSFORMER", "NO_RHS"})


def _field(name: str, type_: ParamType, description: str, extract: Extract, **more: Any) -> Field:
    return Field(name, type_, description, extract, cost=Cost.STATE, **more)


def _ends(
    suffix: str,
    type_: ParamType,
    what: str,
    extracts: dict[str, Extract],
    **more: Any,
) -> tuple[Field, ...]:
    """A field for each end of a connection."""
    sides = {"c": "client's", "s": "server's", "l": "local", "r": "remote"}
    return tuple(
        _field(f"fd.{side}{suffix}", type_, f"The {sides[side]} {what}.", extract, **more)
        for side, extract in extracts.items()
    )


_ADDRESSES: dict[str, Extract] = {
    "c": descriptor_text(_client_address, None),
    "s": descriptor_text(_server_address, None),
    "l": _sided(_client_address, _server_address, local=True, numeric=False),
    "r": _sided(_client_address, _server_address, local=False, numeric=False),
}
_PORTS: dict[str, Extract] = {
    "c": descriptor_number(_client_port, np.uint16),
    "s": descriptor_number(_server_port, np.uint16),
    "l": _sided(_client_port, _server_port, local=True, numeric=True),
    "r": _sided(_client_port, _server_port, local=False, numeric=True),
}
_client_port_text, _server_port_text = _port_text(_client_port), _port_text(_server_port)
_PORT_TEXTS: dict[str, Extract] = {
    "c": descriptor_text(_client_port_text, None),
    "s": descriptor_text(_server_port_text, None),
    "l": _sided(_client_port_text, _server_port_text, local=True, numeric=False),
    "r": _sided(_client_port_text, _server_port_text, local=False, numeric=False),
}

FD_FIELDS = (
    _field("fd.num", ParamType.INT64, "The number of the descriptor, -1 for none.", _fd, format=PrintFormat.ID),
    _field("fd.type", ParamType.CHARBUF, "What kind of thing the descriptor is: file, directory, ipv4, ...", _type),
    _field("fd.typechar", ParamType.CHARBUF, "One letter for the kind of the descriptor.", _type_char),
    _field("fd.name", ParamType.CHARBUF, "The name of the descriptor: a full path, a connection, ...", _name),
    _field("fd.nameraw", ParamType.CHARBUF, "The name as the call gave it.", _raw_name),
    _field("fd.directory", ParamType.CHARBUF, "The directory of a file, or the directory itself.", _directory),
    _field("fd.filename", ParamType.CHARBUF, "The name of a file without its directory.", _filename),
    _field(
        "fd.ip",
        ParamType.IPADDR,
        "Either address of a connection.",
        _both(_both_addresses, numeric=False),
        flags=_FILTER_ONLY,
        comparison="either_end",
    ),
    *_ends("ip", ParamType.IPADDR, "address", _ADDRESSES),
    _field(
        "fd.port",
        ParamType.PORT,
        "Either port of a connection.",
        _both(_both_ports, numeric=True),
        format=PrintFormat.DEC,
        flags=_FILTER_ONLY,
        comparison="either_end",
    ),
    *_ends("port", ParamType.PORT, "port", _PORTS, format=PrintFormat.DEC),
    _field(
        "fd.proto",
        ParamType.PORT,
        "Either port of a connection, also by the name of its service.",
        _both(_both_ports, numeric=True),
        flags=_FILTER_ONLY,
        comparison="either_end",
    ),
    *_ends("proto", ParamType.CHARBUF, "port, as text", _PORT_TEXTS),
    _field(
        "fd.net",
        ParamType.IPNET,
        "The network of either address of a connection.",
        _both(_both_addresses, numeric=False),
        flags=_FILTER_ONLY,
        comparison="either_end",
    ),
    *_ends("net", ParamType.IPNET, "address's network", _ADDRESSES, flags=_FILTER_ONLY),
    *_ends(
        "ip.name",
        ParamType.CHARBUF,
        "host's name; captures do not have it",
        dict.fromkeys("cslr", _never),
        flags=_UNCHANGED,
    ),
    _field(
        "fd.l4proto",
        ParamType.CHARBUF,
        "The transport of a connection: tcp, udp, icmp, raw.",
        descriptor_text(_l4, _NO_NAME),
    ),
    _field(
        "fd.sockfamily", ParamType.CHARBUF, "What kind of socket it is: ip or unix.", descriptor_text(_family, None)
    ),
    _field("fd.is_server", ParamType.BOOL, "Whether the process is the server of the connection.", _is_server),
    _field("fd.uid", ParamType.CHARBUF, "The thread's id and the descriptor's number as one text.", _uid),
    _field("fd.containername", ParamType.CHARBUF, "The container's id, a colon and the name.", _with_container(_name)),
    _field(
        "fd.containerdirectory",
        ParamType.CHARBUF,
        "The container's id, a colon and the directory.",
        _with_container(_directory),
    ),
    _field("fd.connected", ParamType.BOOL, "Whether a socket is connected.", _connected),
    _field("fd.name_changed", ParamType.BOOL, "Whether the event changed the name.", _name_changed),
    _field(
        "fd.dev", ParamType.INT32, "The device of a file.", _property("dev", _whole, np.int32), format=PrintFormat.HEX
    ),
    _field(
        "fd.dev.major",
        ParamType.INT32,
        "The major number of a file's device.",
        _property("dev", _major, np.int32),
        format=PrintFormat.DEC,
    ),
    _field(
        "fd.dev.minor",
        ParamType.INT32,
        "The minor number of a file's device.",
        _property("dev", _minor, np.int32),
        format=PrintFormat.DEC,
    ),
    _field(
        "fd.ino",
        ParamType.INT64,
        "The inode, 0 if unknown.",
        _property("ino", _whole, np.int64),
        format=PrintFormat.DEC,
    ),
    _field(
        "fd.types",
        ParamType.CHARBUF,
        "The kinds of all open descriptors of the process; with [N] that of descriptor N.",
        _types,
        is_list=True,
        argument=FieldArgument(_parse_fd, required=False, form="[N]"),
        flags=frozenset({"IS_LIST", "ARG_ALLOWED", "NO_RHS"}),
    ),
    _field(
        "fd.is_upper_layer",
        ParamType.BOOL,
        "Whether the file is in an overlay's upper layer.",
        _property("flags", _layer(_UPPER_LAYER), np.bool_),
    ),
    _field(
        "fd.is_lower_layer",
        ParamType.BOOL,
        "Whether the file is in an overlay's lower layer.",
        _property("flags", _layer(_LOWER_LAYER), np.bool_),
    ),
)
