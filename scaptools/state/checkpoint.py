"""Checkpoints: the state an engine carries, stored as bytes and resumed.

An engine resumed from a checkpoint says of all further batches what the one that was stored would have said. A
checkpoint belongs to a place in one capture; whoever keeps it has to keep that too. Bytes that are no checkpoint, or
one of another version, are refused with CorruptedError, whatever is in them.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.blocks import EVENT_BLOCKS
from scap_formats.descriptors import L4Protocol
from scap_formats.table import event_table
from scaptools.capture.batch import EventBatch, shortest_event_block
from scaptools.errors import CorruptedError
from scaptools.state.accounts import Account
from scaptools.state.carried import Carried
from scaptools.state.containers import Container, Mount
from scaptools.state.counters import KeptCounters
from scaptools.state.descriptors import TYPE_TEXTS, Descriptor, Role
from scaptools.state.engine import StateEngine
from scaptools.state.initial import Accounts, Interface
from scaptools.state.lifecycle import Population
from scaptools.state.needs import ALL_NEEDS, COUNTERS, FDS
from scaptools.state.packing import Packer, Unpacker, together
from scaptools.state.pairing import OpenEnters
from scaptools.state.paths import known
from scaptools.state.runtimes import KeptRunTimes
from scaptools.state.sockets import Network
from scaptools.state.tables import Tables
from scaptools.state.thread import Thread

if TYPE_CHECKING:
    from collections.abc import Collection

    from scaptools.capture.section import Section

_MAGIC = b"SCAPST\x01\n"
#: The numbers of incarnations and of descriptor tables are below this.
_ENTRY_LIMIT = 1 << 31
_THREAD = Thread(0, 0, 0, 0)
_DESCRIPTOR = Descriptor(0)
_PORTS = 1 << 16
#: What numbers of descriptors are below.
_DESCRIPTOR_LIMITS = {
    "type": max(TYPE_TEXTS) + 1,
    "l4": max(L4Protocol) + 1,
    "role": max(Role) + 1,
    "ends.sport": _PORTS,
    "ends.dport": _PORTS,
}
_INTERFACE = Interface(b"", b"", b"")
_ACCOUNT = Account(b"")
#: What is a truth about a container; everything else that is no list is a text.
_TRUTHS = frozenset({"privileged", "host_pid", "host_network", "host_ipc"})
_LISTS = frozenset({"id", "mounts", "labels", "probes", "sandbox_labels"})
_CONTAINER_FIELDS = tuple(Container.__dataclass_fields__)


def store_state(engine: StateEngine) -> bytes:
    """The state of an engine that stands behind a batch. Raises LookupError before the first."""
    section = engine.section
    if section is None:
        raise LookupError("no batch has been taken in yet")
    carried, packer = engine.carried(), Packer()
    population = carried.population
    threads = [
        thread._replace(cwd=known(thread.cwd), exepath=known(thread.exepath)) for thread in population.threads.values()
    ]
    packer.rows("threads", threads, _THREAD)
    packer.numbers("members.pid", population.members)
    packer.numbers("members.count", population.members.values())
    packer.numbers("ended.tid", population.ended)
    packer.numbers("ended.entry", population.ended.values())
    for kind in ("users", "groups"):
        accounts = getattr(population.accounts, kind)
        packer.texts(f"{kind}.container", (container for container, _ in accounts))
        packer.numbers(f"{kind}.id", (number for _, number in accounts))
        packer.rows(kind, list(accounts.values()), _ACCOUNT)
    _store_enters(packer, carried.enters)
    _store_tables(packer, carried.tables)
    if carried.counters is not None and carried.run_times is not None:
        _store_counters(packer, carried.counters, carried.run_times)
    header = {
        "needs": sorted(engine.needs),
        "section": section.index,
        "next_entry": population.next_entry,
        "byteorder": None if carried.enters.batch is None else carried.enters.batch.byteorder,
        "containers": [_container_record(container) for container in population.containers.values()],
    }
    return packer.finish(_MAGIC, header)


def resume_state(stored: bytes | memoryview, section: Section, needs: Collection[str] = ALL_NEEDS) -> StateEngine:
    """An engine that goes on behind the batch at which a state was stored; ``section`` is the one that batch was of.

    Raises CorruptedError for bytes that are no checkpoint of this version, or one of another section, or one of an
    engine that had less ``needs``.
    """
    unpacker = Unpacker(stored, _MAGIC)
    header = _checked_header(unpacker.header)
    if header["section"] != section.index or not set(needs) <= set(header["needs"]):
        raise CorruptedError("stored state of another section or of less than is asked for")
    next_entry = header["next_entry"]
    population = Population(next_entry=next_entry)
    for bounded in ("threads.entry", "threads.table"):
        unpacker.array(bounded, 0, next_entry)
    population.threads = {thread.tid: thread for thread in unpacker.rows("threads", _THREAD)}
    population.members = Counter(dict(together(unpacker.numbers("members.pid"), unpacker.numbers("members.count"))))
    population.ended = dict(together(unpacker.numbers("ended.tid"), unpacker.numbers("ended.entry")))
    containers = [_container_of(record) for record in header["containers"]]
    population.containers = {container.id: container for container in containers}
    population.accounts = Accounts(*(_accounts(unpacker, kind) for kind in ("users", "groups")))
    carried = Carried(population, _enters(unpacker, section, header["byteorder"]))
    if FDS in needs:
        carried.tables = _tables(unpacker)
    if COUNTERS in needs:
        carried.counters, carried.run_times = _counters(unpacker)
    engine = StateEngine(needs)
    engine.resume(section, carried)
    return engine


def _checked_header(header: Any) -> dict[str, Any]:
    """The header, if everything in it is of its kind."""
    try:
        sound = (
            all(isinstance(need, str) for need in header["needs"])
            and isinstance(header["section"], int)
            and isinstance(header["next_entry"], int)
            and 0 <= header["next_entry"] < _ENTRY_LIMIT
            and header["byteorder"] in {None, "little", "big"}
            and isinstance(header["containers"], list)
        )
    except (KeyError, TypeError) as error:
        raise CorruptedError("stored state without a sound header") from error
    if not sound:
        raise CorruptedError("stored state without a sound header")
    return dict(header)


def _accounts(unpacker: Unpacker, kind: str) -> dict[tuple[bytes, int], Account]:
    keys = together(unpacker.texts(f"{kind}.container"), unpacker.numbers(f"{kind}.id"))
    return {
        (container, number): account
        for (container, number), account in together(list(keys), unpacker.rows(kind, _ACCOUNT))
    }


# Containers -----------------------------------------------------------------------------------------------------------


def _container_record(container: Container) -> dict[str, Any]:
    record = {name: getattr(container, name) for name in _CONTAINER_FIELDS}
    return record | {"id": container.id.decode("latin-1"), "mounts": [list(mount) for mount in container.mounts]}


def _container_of(record: Any) -> Container:
    try:
        plain = {name: record[name] for name in _CONTAINER_FIELDS if name not in _LISTS}
        kinds = [isinstance(value, bool if name in _TRUTHS else str) or value is None for name, value in plain.items()]
        mounts = tuple(Mount(*mount) for mount in record["mounts"])
        labels, sandbox_labels = (
            tuple((str(key), str(text)) for key, text in record[name]) for name in ("labels", "sandbox_labels")
        )
        probes = {str(name): str(text) for name, text in record["probes"].items()}
        identity = record["id"].encode("latin-1")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptedError("stored state with a container that is none") from error
    told = (isinstance(value, bool) == (name == "rdwr") for mount in mounts for name, value in mount._asdict().items())
    if not all((*kinds, *told)):
        raise CorruptedError("stored state with a container that is none")
    lists: dict[str, Any] = {"mounts": mounts, "labels": labels, "sandbox_labels": sandbox_labels, "probes": probes}
    return Container(identity, **plain, **lists)


# Enter events ---------------------------------------------------------------------------------------------------------

_ENTER_NUMBERS = ("tids", "entries", "latencies", "descriptors")
_ENTER_TRUTHS = ("spent", "has_enter")


def _store_enters(packer: Packer, enters: OpenEnters) -> None:
    for name in (*_ENTER_NUMBERS, *_ENTER_TRUTHS):
        packer.numbers(f"enters.{name}", getattr(enters, name).astype(np.int64))
    batch = enters.batch
    packer.texts("enters.events", [] if batch is None else [batch.raw_blocks()])
    packer.numbers("enters.lengths", [] if batch is None else batch.lengths)
    packer.numbers("enters.kinds", [] if batch is None else batch.block_types)


def _enters(unpacker: Unpacker, section: Section, byteorder: Any) -> OpenEnters:
    arrays: dict[str, Any] = {name: unpacker.array(f"enters.{name}") for name in _ENTER_NUMBERS}
    arrays |= {name: unpacker.array(f"enters.{name}") != 0 for name in _ENTER_TRUTHS}
    if len({len(array) for array in arrays.values()}) > 1 or (np.diff(arrays["tids"]) <= 0).any():
        raise CorruptedError("stored state whose enter events are not one for each thread")
    batch = None
    if byteorder is not None:
        events = b"".join(unpacker.texts("enters.events"))
        lengths = unpacker.array("enters.lengths", 0, len(events) + 1)
        kinds = unpacker.array("enters.kinds", 0, 1 << 32).astype(np.uint32)
        fits = len(lengths) == len(kinds) == len(arrays["tids"]) and lengths.sum() == len(events)
        if (
            not fits
            or not np.isin(kinds, EVENT_BLOCKS).all()
            or (len(kinds) and (lengths < shortest_event_block(kinds)).any())
        ):
            raise CorruptedError("stored state whose enter events are broken")
        data = np.frombuffer(events, np.uint8)
        starts = np.cumsum(lengths) - lengths
        batch = EventBatch(section, data, starts, lengths, kinds, base=0, first_number=0, byteorder=byteorder)
        if len(batch) and int(batch.header("type").max()) >= len(event_table().events):
            raise CorruptedError("stored state with an enter event of an unknown type")
    elif arrays["has_enter"].any():
        raise CorruptedError("stored state without its enter events")
    return OpenEnters(**arrays, batch=batch)


# Descriptors ----------------------------------------------------------------------------------------------------------


def _store_tables(packer: Packer, tables: Tables) -> None:
    packer.rows("descriptors", tables.descriptors, _DESCRIPTOR)
    entries = [(owner, fd, value) for owner, table in tables.tables.items() for fd, value in table.items()]
    for place, name in enumerate(("owner", "fd", "value")):
        packer.numbers(f"tables.{name}", (entry[place] for entry in entries))
    packer.rows("interfaces", tables.network.interfaces, _INTERFACE)


def _tables(unpacker: Unpacker) -> Tables:
    tables = Tables(network=Network(tuple(unpacker.rows("interfaces", _INTERFACE))))
    for name, limit in _DESCRIPTOR_LIMITS.items():
        unpacker.array(f"descriptors.{name}", 0, limit)
    tables.descriptors = unpacker.rows("descriptors", _DESCRIPTOR)
    owners = unpacker.numbers("tables.owner", 0, _ENTRY_LIMIT)
    values = unpacker.numbers("tables.value", 0, len(tables.descriptors))
    for owner, fd, value in together(owners, unpacker.numbers("tables.fd"), values):
        tables.tables.setdefault(owner, {})[fd] = value
    return tables


# Counters -------------------------------------------------------------------------------------------------------------


def _store_counters(packer: Packer, counters: KeptCounters, run_times: KeptRunTimes) -> None:
    packer.numbers("counters.entries", counters.entries)
    packer.numbers("counters.faults", counters.faults)
    packer.numbers("counters.memory", counters.memory)
    for name, numbers in (("switches", run_times.switches), ("totals", run_times.totals)):
        packer.numbers(f"{name}.key", numbers)
        packer.numbers(f"{name}.value", numbers.values())
    packer.numbers("shares.key", run_times.shares)
    packer.numbers("shares.value", (share for shares in run_times.shares.values() for share in shares))


def _counters(unpacker: Unpacker) -> tuple[KeptCounters, KeptRunTimes]:
    entries = unpacker.array("counters.entries")
    faults, memory = (unpacker.array(f"counters.{name}").astype(np.uint64) for name in ("faults", "memory"))
    shares = unpacker.numbers("shares.value")
    pairs = list(zip(shares[::2], shares[1::2], strict=False))
    try:
        kept = KeptCounters(entries, faults.reshape(len(entries), 2), memory.reshape(len(entries), 3))
    except ValueError as error:
        raise CorruptedError("stored state with counters of no thread") from error
    switches = dict(together(unpacker.numbers("switches.key"), unpacker.array("switches.value").tolist()))
    totals = dict(together(unpacker.numbers("totals.key"), unpacker.unsigned("totals.value")))
    return kept, KeptRunTimes(switches, totals, dict(together(unpacker.numbers("shares.key"), pairs)))
