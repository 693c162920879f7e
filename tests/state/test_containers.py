"""Containers: their ids in cgroups, and what container events say."""

from __future__ import annotations

import pytest

from scaptools.state.containers import (
    HOST,
    cgroup_paths,
    container_id,
    parse_container,
    plain_container,
    thread_container,
)

ID = b"697956520d891b5cb0e215093970c733549a3f745f52263c05b37f8a488994f3"
SHORT = ID[:12]


@pytest.mark.parametrize(
    ("path", "identity", "engine"),
    [
        (b"/docker/" + ID, SHORT, "docker"),
        (b"/system.slice/docker-" + ID + b".scope", SHORT, "docker"),
        (b"/machine.slice/libpod-" + ID + b".scope", SHORT, "podman"),
        (b"/kubepods/crio-" + ID + b".scope", SHORT, "cri"),
        (b"/lxc/web/init.scope", b"web", "lxc"),
        (b"/machine/db.libvirt-lxc", b"db", "libvirt-lxc"),
        (b"/user.slice/user-1000.slice", *HOST),
        (b"/docker/" + ID[:-1], *HOST),
    ],
)
def test_ids_in_cgroups(path: bytes, identity: bytes, engine: str) -> None:
    assert container_id(b"cpu=/\0memory=" + path + b"\0") == (identity, engine)


def test_subsystems_have_their_usual_names() -> None:
    assert cgroup_paths(b"perf=/a\0mem=/b\0io=/c\0cpu_cgroup=/d\0name=systemd=/e\0bad\0") == [
        (b"perf_event", b"/a"),
        (b"memory", b"/b"),
        (b"blkio", b"/c"),
        (b"cpu", b"/d"),
        (b"name=systemd", b"/e"),
    ]


def test_a_document() -> None:
    container = parse_container(
        b'{"container":{"id":"abc","type":0,"name":"web","image":"nginx","Mounts":[{"Source":"/s","Destination":"/d",'
        b'"Mode":"rw","RW":true,"Propagation":"private"}],"labels":{"b":"2","a":""},"Healthcheck":{"exe":"curl",'
        b'"args":["-f"]}}}\n\0'
    )
    assert container is not None
    assert (container.id, container.type, container.name, container.privileged) == (b"abc", "docker", "web", False)
    assert [mount.text() for mount in container.mounts] == ["/s:/d:rw:true:private"]
    assert container.labels == (("a", ""), ("b", "2"))
    assert container.probes == {"Healthcheck": "curl -f"}


@pytest.mark.parametrize(
    "document", [b"", b"[]", b"{}", b'{"container":1}', b"\xff", b'{"container":{}}', b"[" * 20_000]
)
def test_what_is_no_container(document: bytes) -> None:
    assert parse_container(document) is None


def test_a_container_told_in_four_parameters() -> None:
    container = plain_container(b"abc", 1, b"web", b"")
    assert (container.id, container.type, container.name, container.image) == (b"abc", "lxc", "web", None)


def test_rkt_tells_pod_and_app_by_environment_and_root() -> None:
    pod = b"0b1c2d3e-0000-4000-8000-0123456789ab"
    env = b"A=1\0container_uuid=" + pod + b"\0"
    assert thread_container(b"cpu=/\0", b"/opt/stage2/web/rootfs", env) == pod + b":web"
    assert thread_container(b"cpu=/\0", b"/opt/stage2/web/rootfs", b"") == b""
    assert thread_container(b"cpu=/\0", b"/", env) == b""
    docker = b"cpu=/docker/" + b"a" * 64 + b"\0"
    assert thread_container(docker, b"/opt/stage2/web/rootfs", env) == b"a" * 12
