"""Containers: which one a thread is in, by its cgroups, and what is known about each.

A container's id is found by trying the engines in order on the cgroup paths in order. What is known about it comes
from container events; what is not known about an id that an engine recognised is missing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

#: Characters of a short id.
SHORT_ID = 12
_ID = rb"([0-9a-f]{64})"


class ContainerId(NamedTuple):
    """The id a thread carries, empty for the host, and the engine that recognised it."""

    id: bytes
    engine: str


HOST = ContainerId(b"", "host")


class _Engine(NamedTuple):
    """How one engine names its cgroups; ``whole`` ids are names and not cut to 12 characters."""

    name: str
    pattern: re.Pattern[bytes]
    whole: bool = False


#: Tried in this order, each on every path.
_ENGINES = (
    _Engine("podman", re.compile(rb"/libpod-" + _ID + rb"(?:\.scope(?:/container)?)?\Z")),
    _Engine("docker", re.compile(rb"(?:\A|/)" + _ID + rb"\Z|/docker-" + _ID + rb"\.scope\Z")),
    _Engine(
        "cri",
        re.compile(rb"(?:/crio-|/cri-containerd-|/nerdctl-|:cri-containerd:)" + _ID + rb"(?:\.scope)?\Z"),
    ),
    _Engine("lxc", re.compile(rb"/lxc(?:\.payload)?[/.]([^/]+)"), whole=True),
    _Engine(
        "libvirt-lxc",
        re.compile(rb"/([^/]+)\.libvirt-lxc\Z|-lxc\\x2([^/]*)\.scope\Z|/libvirt/lxc/([^/]+)"),
        whole=True,
    ),
    _Engine("mesos", re.compile(rb"/mesos/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"), whole=True),
    _Engine("bpm", re.compile(rb"/bpm-([^/]+)\.scope\Z"), whole=True),
)


#: How rkt tells which app of which pod a process is.
_RKT_ROOT = b"/opt/stage2/"
_RKT_APP = re.compile(rb"/opt/stage2/([^/]+)/rootfs")
_RKT_POD = re.compile(rb"\0container_uuid=([0-9a-f-]{36})(?:\0|\Z)")


def cgroup_paths(cgroups: bytes) -> list[tuple[bytes, bytes]]:
    """The (subsystem, path) pairs of a NUL-separated list, subsystems under their usual names."""
    pairs = []
    for item in cgroups.split(b"\0"):
        name, equals, path = item.rpartition(b"=")
        if equals:
            name = name.removesuffix(b"_cgroup")
            pairs.append((_SUBSYSTEMS.get(name, name), path))
    return pairs


_SUBSYSTEMS = {b"perf": b"perf_event", b"mem": b"memory", b"io": b"blkio"}


def thread_container(cgroups: bytes, root: bytes, env: bytes) -> bytes:
    """The id of the container of a thread, by its cgroups or, for rkt, by its root and environment."""
    found = container_id(cgroups)
    if found is HOST and root.startswith(_RKT_ROOT):
        app, pod = _RKT_APP.fullmatch(root), _RKT_POD.search(b"\0" + env)
        if app and pod:
            return b"%s:%s" % (pod[1], app[1])
    return found.id


@lru_cache(1 << 12)
def container_id(cgroups: bytes) -> ContainerId:
    """The container the cgroups belong to."""
    paths = [path for _, path in cgroup_paths(cgroups)]
    for engine in _ENGINES:
        for path in paths:
            found = engine.pattern.search(path)
            if found:
                name = next(group for group in found.groups() if group is not None)
                return ContainerId(name if engine.whole else name[:SHORT_ID], engine.name)
    return HOST


#: Names of the types container events give by number.
TYPE_NAMES = {
    0: "docker", 1: "lxc", 2: "libvirt-lxc", 3: "mesos", 4: "rkt", 5: "custom", 6: "cri", 7: "containerd",
    8: "cri-o", 9: "bpm", 10: "static", 11: "podman",
}  # fmt: skip
#: Engines whose containers say whether they are privileged.
_PRIVILEGE_KNOWN = frozenset({"docker", "cri", "containerd", "cri-o", "podman", "custom"})
#: Lookups that failed or are not done yet: such an event is not shown.
_HIDDEN_LOOKUPS = frozenset({0, 2})


class Mount(NamedTuple):
    """One mount, as container events describe it."""

    source: str
    dest: str
    mode: str
    rdwr: bool
    propagation: str

    def text(self) -> str:
        """The mount as the fields print it."""
        return f"{self.source}:{self.dest}:{self.mode}:{'true' if self.rdwr else 'false'}:{self.propagation}"


@dataclass(frozen=True, slots=True)
class Container:
    """What is known about a container; None for what is not."""

    id: bytes
    type: str | None = None
    name: str | None = None
    image: str | None = None
    image_id: str | None = None
    image_repository: str | None = None
    image_tag: str | None = None
    image_digest: str | None = None
    full_id: str | None = None
    ip: str | None = None
    privileged: bool | None = None
    cni_json: str | None = None
    host_pid: bool | None = None
    host_network: bool | None = None
    host_ipc: bool | None = None
    mounts: tuple[Mount, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    probes: dict[str, str] = field(default_factory=dict)
    sandbox_id: str | None = None
    sandbox_labels: tuple[tuple[str, str], ...] = ()


def met_container(cgroups: bytes) -> Container | None:
    """What is known of a container from its cgroups alone: something of those whose engine tells all of its own."""
    found = container_id(cgroups)
    return Container(found.id, found.engine, privileged=False) if found.engine in _TELLING_ENGINES else None


#: Engines of which upstream knows a container as soon as it sees one.
_TELLING_ENGINES = frozenset({"docker", "podman"})


def plain_container(identity: bytes, kind: int, name: bytes, image: bytes) -> Container:
    """The container of an event that gives four parameters."""
    return Container(
        identity, TYPE_NAMES.get(kind), _text(name.decode(errors="replace")), _text(image.decode(errors="replace"))
    )


def parse_container(document: bytes) -> Container | None:
    """The container a JSON container event describes, None where it is none."""
    try:
        parsed = json.loads(document.rstrip(b"\0"))
        given = parsed["container"]
        identity = str(given["id"]).encode()
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    kind = TYPE_NAMES.get(_number(given.get("type")))
    return Container(
        id=identity,
        type=kind,
        name=_text(given.get("name")),
        image=_text(given.get("image")),
        image_id=_text(given.get("imageid")),
        image_repository=_text(given.get("imagerepo")),
        image_tag=_text(given.get("imagetag")),
        image_digest=_text(given.get("imagedigest")),
        full_id=_text(given.get("full_id")),
        ip=_text(given.get("ip")),
        privileged=bool(given.get("privileged", False)) if kind in _PRIVILEGE_KNOWN else None,
        cni_json=_text(given.get("cni_json")),
        host_pid=_boolean(given.get("host_pid")),
        host_network=_boolean(given.get("host_network")),
        host_ipc=_boolean(given.get("host_ipc")),
        mounts=tuple(_mount(entry) for entry in _entries(given.get("Mounts"))),
        labels=tuple(sorted(_labels(given.get("labels")))),
        probes={name: _probe(given[name]) for name in PROBES if isinstance(given.get(name), dict)},
        sandbox_id=_text(given.get("pod_sandbox_id")),
        sandbox_labels=tuple(sorted(_labels(given.get("pod_sandbox_labels")))),
    )


#: The probes an orchestrator runs, by their names in container events.
PROBES = ("Healthcheck", "LivenessProbe", "ReadinessProbe")


def _entries(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _labels(value: Any) -> list[tuple[str, str]]:
    return [(str(key), str(text)) for key, text in value.items()] if isinstance(value, dict) else []


def _mount(entry: dict[str, Any]) -> Mount:
    return Mount(
        str(entry.get("Source", "")),
        str(entry.get("Destination", "")),
        str(entry.get("Mode", "")),
        bool(entry.get("RW", False)),
        str(entry.get("Propagation", "")),
    )


def _probe(entry: dict[str, Any]) -> str:
    args = entry.get("args")
    return " ".join([str(entry.get("exe", "")), *(map(str, args) if isinstance(args, list) else ())])


def _number(value: Any) -> int:
    return value if isinstance(value, int) else -1


def _text(value: Any) -> str | None:
    return value or None if isinstance(value, str) else None


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None
