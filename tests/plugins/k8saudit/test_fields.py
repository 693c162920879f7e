from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scap_formats.types import ParamType
from scaptools.errors import PluginError
from scaptools.plugins.contract import ArgumentRule, Payloads
from scaptools.plugins.k8saudit import KubernetesAuditPlugin
from tests.plugins.jsontext.lenient import documents

PLUGIN = KubernetesAuditPlugin()


def payloads(*records: bytes) -> Payloads:
    numbers = np.arange(len(records), dtype=np.uint64)
    return Payloads(pa.array(records, pa.binary()), numbers, numbers)


def extract(name: str, *records: bytes, argument: str | None = None) -> list[Any]:
    column = PLUGIN.extract(PLUGIN.prepare(payloads(*records)), name, argument)
    assert len(column) == len(records)
    values: list[Any] = column.to_arrow().to_pylist()
    return values


def decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [decoded(item) for item in value]
    return None if value is None else value.decode()


#: White space of an event, which no value may have.
FORMS: tuple[dict[str, Any], ...] = ({"separators": (",", ":")}, {"indent": 1})


def value(name: str, argument: str | None = None, /, **members: Any) -> Any:
    """A field's value for an event of those members, alone and among others, compact and not."""
    event = {"auditID": "id"} | members
    empty = b'{"auditID":"x"}'
    found = []
    for form in FORMS:
        record = json.dumps(event, **form).encode()
        found.append(extract(name, record, argument=argument)[0])
        found.append(extract(name, empty, record, empty, argument=argument)[1])
    assert all(one == found[0] for one in found), found
    return decoded(found[0])


def pod(*containers: Any, kind: str = "containers", **spec: Any) -> dict[str, Any]:
    return {"requestObject": {"spec": {kind: list(containers)} | spec}}


def test_declarations() -> None:
    declared = {field.name: field for field in PLUGIN.fields}
    assert len(PLUGIN.fields) == len(declared) == 100
    assert all(name.startswith("ka.") and field.description for name, field in declared.items())
    assert {field.type for field in PLUGIN.fields} == {ParamType.CHARBUF}
    required = {name for name, field in declared.items() if field.argument is ArgumentRule.REQUIRED_KEY}
    assert required == {"ka.uri.param", "ka.req.volume.hostpath", "ka.req.binding.subject.has_name"}
    indexed = {name for name, field in declared.items() if field.argument is ArgumentRule.OPTIONAL_INDEX}
    assert len(indexed) == 4 + 1 + 3 + 15 + 15 + 14 + 1
    lists = {name for name, field in declared.items() if field.is_list}
    assert lists - indexed == {
        "ka.user.groups",
        "ka.req.role.rules",
        "ka.req.pod.supplemental_groups",
        "ka.req.binding.subjects",
        "ka.req.binding.subjects.user_names",
        "ka.req.binding.subjects.group_names",
        "ka.req.binding.subjects.serviceaccount_names",
        "ka.req.binding.subjects.serviceaccount_ns_names",
    }
    assert indexed <= lists
    assert "ka.req.pod.ephemeralContainers.host_port" not in declared
    assert (PLUGIN.info.name, PLUGIN.info.id, PLUGIN.info.source) == ("k8saudit", 1, "k8s_audit")
    assert PLUGIN.extract_sources == ("k8s_audit",)


SCALARS = {
    "auditid": "auditID",
    "stage": "stage",
    "verb": "verb",
    "uri": "requestURI",
    "useragent": "userAgent",
    "auth.decision": "annotations authorization.k8s.io/decision",
    "auth.reason": "annotations authorization.k8s.io/reason",
    "auth.openshift.decision": "annotations authentication.openshift.io/decision",
    "auth.openshift.username": "annotations authentication.openshift.io/username",
    "validations.admission.policy.failure": "annotations validation.policy.admission.k8s.io/validation_failure",
    "security.pod.violations": "annotations pod-security.kubernetes.io/audit-violations",
    "cluster.name": "annotations cluster_name",
    "user.name": "user username",
    "impuser.name": "impersonatedUser username",
    "target.name": "objectRef name",
    "target.namespace": "objectRef namespace",
    "target.resource": "objectRef resource",
    "target.subresource": "objectRef subresource",
    "resp.name": "responseObject metadata name",
    "response.code": "responseStatus code",
    "response.reason": "responseStatus reason",
    "req.binding.role": "requestObject roleRef name",
    "req.configmap.name": "objectRef name",
    "req.configmap.obj": "requestObject data",
    "req.service.type": "requestObject spec type",
    "req.pod.host_ipc": "requestObject spec hostIPC",
    "req.pod.host_network": "requestObject spec hostNetwork",
    "req.pod.host_pid": "requestObject spec hostPID",
    "req.container.host_network": "requestObject spec hostNetwork",
    "req.pod.run_as_user": "requestObject spec securityContext runAsUser",
    "req.pod.run_as_group": "requestObject spec securityContext runAsGroup",
    "req.pod.fs_group": "requestObject spec securityContext fsGroup",
}


@pytest.mark.parametrize("name", SCALARS)
@pytest.mark.parametrize(
    ("given", "wanted"),
    [("x", "x"), ("", ""), (None, "null"), (True, "true"), (1.5, "1.5"), ({"a": [1, 2]}, '{"a":[1,2]}'), ("a\0b", "a")],
)
def test_values_at_paths(name: str, given: Any, wanted: str) -> None:
    inner = given
    for step in reversed(SCALARS[name].split()):
        inner = {step: inner}
    assert value(f"ka.{name}", **inner) == wanted


@pytest.mark.parametrize("name", [name for name in SCALARS if name != "auditid"])
def test_values_that_are_not_there(name: str) -> None:
    assert value(f"ka.{name}") is None
    assert value(f"ka.{name}", **{SCALARS[name].split()[0]: []}) == ("[]" if " " not in SCALARS[name] else None)


@pytest.mark.parametrize(
    "record",
    [b"", b"{", b"x", b'{"verb":"get"}', b'[{"auditID":"x","verb":"get"}]', b' {"auditID":"x"}', b"\0"],
)
def test_what_is_no_audit_event_has_no_values(record: bytes) -> None:
    for field in PLUGIN.fields:
        argument = "x" if field.argument.required else None
        assert extract(field.name, record, argument=argument) == [None], field.name


@pytest.mark.parametrize(
    ("reference", "wanted"),
    [
        ({"resource": "pods"}, "p"),
        ({"resource": "pods", "subresource": ""}, "p"),
        ({"resource": "pods", "subresource": "log"}, None),
        ({"resource": "services"}, None),
        ({}, None),
    ],
)
def test_the_name_of_a_pod(reference: dict[str, str], wanted: str | None) -> None:
    assert value("ka.target.pod.name", objectRef=reference, responseObject={"metadata": {"name": "p"}}) == wanted
    assert value("ka.target.pod.name", objectRef=reference) is None


@pytest.mark.parametrize(
    ("uri", "key", "wanted"),
    [
        ("/a?k=v", "k", "v"),
        ("/a?k=v&k=w", "k", "v"),
        ("/a?x=1&k=a+b%20c%2B", "k", "a b c+"),
        ("/a?k=", "k", ""),
        ("/a?k", "k", ""),
        ("/a?%6b=v", "k", "v"),
        ("/a?a+b=v", "a b", "v"),
        ("/a?k=%zz&k=2", "k", "2"),
        ("/a?k=1;2", "k", None),
        ("/a#?k=v", "k", None),
        ("/a?k=v#f", "k", "v"),
        ("/a?k==v", "k", "=v"),
        ("/a", "k", None),
        ("/k=v", "k", None),
        ("/a?&&", "", None),
    ],
)
def test_query_parameters(uri: str, key: str, wanted: str | None) -> None:
    assert value("ka.uri.param", key, requestURI=uri) == wanted


def test_query_parameters_of_no_uri() -> None:
    assert value("ka.uri.param", "k") is None


def test_groups() -> None:
    assert value("ka.user.groups", user={"groups": ["a", "b", 1]}) == ["a", "b", "1"]
    assert value("ka.user.groups", user={"groups": []}) is None
    assert value("ka.user.groups", user={"groups": "a"}) is None
    assert value("ka.req.pod.supplemental_groups", **pod(securityContext={"supplementalGroups": [1, 2]})) == ["1", "2"]


SUBJECTS = [
    {"kind": "User", "name": "u"},
    {"kind": "Group", "name": "g"},
    {"kind": "ServiceAccount", "name": "s", "namespace": "n"},
    {"kind": "ServiceAccount", "name": "t"},
    {"kind": "User"},
    {"name": "none"},
    "text",
]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("user_names", ["u"]),
        ("group_names", ["g"]),
        ("serviceaccount_names", ["s", "t"]),
        ("serviceaccount_ns_names", ["n:s"]),
    ],
)
def test_subjects(name: str, wanted: list[str]) -> None:
    assert value(f"ka.req.binding.subjects.{name}", requestObject={"subjects": SUBJECTS}) == wanted
    assert value(f"ka.req.binding.subjects.{name}", requestObject={"subjects": []}) is None


def test_whole_subjects() -> None:
    found = value("ka.req.binding.subjects", requestObject={"subjects": SUBJECTS[:2]})
    assert found == ['{"kind":"User","name":"u"}', '{"kind":"Group","name":"g"}']
    assert value("ka.req.binding.subject.has_name", "nobody") == "true"


RULES = [{"verbs": ["get", "list"], "apiGroups": [""]}, {"verbs": ["*"], "resources": ["pods"]}, {}]


@pytest.mark.parametrize(
    ("name", "index", "wanted"),
    [
        ("verbs", None, ["get", "list", "*"]),
        ("verbs", "0", ["get", "list"]),
        ("verbs", "1", ["*"]),
        ("verbs", "2", None),
        ("verbs", "3", None),
        ("apiGroups", None, [""]),
        ("resources", None, ["pods"]),
        ("nonResourceURLs", None, None),
    ],
)
def test_role_rules(name: str, index: str | None, wanted: list[str] | None) -> None:
    assert value(f"ka.req.role.rules.{name}", index, requestObject={"rules": RULES}) == wanted


def test_whole_role_rules() -> None:
    assert value("ka.req.role.rules", requestObject={"rules": RULES[1:]}) == [
        '{"verbs":["*"],"resources":["pods"]}', "{}",
    ]  # fmt: skip


def test_service_ports() -> None:
    ports = {"requestObject": {"spec": {"ports": [{"port": 80}, {"port": 81}]}}}
    for index in (None, "0", "7"):
        assert value("ka.req.service.ports", index, **ports) == ['[{"port":80},{"port":81}]']
    assert value("ka.req.service.ports") is None


VOLUMES = [
    {"name": "a", "hostPath": {"path": "/var/run"}},
    {"name": "b", "flexVolume": {"driver": "d"}},
    {"emptyDir": {"medium": "m"}, "configMap": {}},
]


@pytest.mark.parametrize(
    ("name", "index", "wanted"),
    [
        ("hostpath", None, ["/var/run"]),
        ("hostpath", "0", ["/var/run"]),
        ("hostpath", "1", None),
        ("flexvolume_driver", None, ["d"]),
        ("volume_type", None, ["hostPath", "flexVolume", "emptyDir", "configMap"]),
        ("volume_type", "1", ["flexVolume"]),
        ("volume_type", "3", None),
    ],
)
def test_volumes(name: str, index: str | None, wanted: list[str] | None) -> None:
    assert value(f"ka.req.pod.volumes.{name}", index, **pod(volumes=VOLUMES)) == wanted


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/var/run", "true"),
        ("/var", "false"),
        ("/var*", "true"),
        ("*", "true"),
        ("/etc*", "false"),
        ("/var/run*", "true"),
        ("", "false"),
    ],
)
def test_host_paths(path: str, wanted: str) -> None:
    assert value("ka.req.volume.hostpath", path, **pod(volumes=VOLUMES)) == wanted
    assert value("ka.req.volume.hostpath", path, **pod()) is None
    assert value("ka.req.volume.hostpath", path, **pod(volumes=[])) == "false"


CONTAINERS = [
    {
        "name": "one",
        "image": "reg.example:5000/a/b:1",
        "command": ["sh", "-c", "x y"],
        "args": ["1"],
        "ports": [{"hostPort": 80, "containerPort": 8080}, {"containerPort": 443}, {}],
        "securityContext": {
            "privileged": True,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsUser": 1000,
            "runAsGroup": 2000,
            "procMount": "Default",
            "capabilities": {"add": ["SYS_ADMIN", "NET_ADMIN"]},
        },
    },
    {"name": "two", "image": "nginx", "ports": [{"hostPort": 81}], "runAsUser": 7},
    {"name": "three", "image": "busybox:2"},
]
PER_CONTAINER: dict[str, list[list[str]]] = {
    "name": [["one"], ["two"], ["three"]],
    "image": [["reg.example:5000/a/b:1"], ["nginx"], ["busybox:2"]],
    "image.repository": [["reg.example"], ["nginx"], ["busybox"]],
    "command": [["sh -c x y"], [], []],
    "args": [["1"], [], []],
    "host_port": [["80", "443"], ["81"], []],
    "privileged": [["true"], [], []],
    "allow_privilege_escalation": [["false"], [], []],
    "read_only_fs": [["true"], [], []],
    "run_as_user": [["1000"], [], []],
    "run_as_group": [["2000"], [], []],
    "proc_mount": [["Default"], [], []],
    "add_capabilities": [['["SYS_ADMIN","NET_ADMIN"]'], [], []],
    "eff_run_as_user": [["0"], ["7"], ["0"]],
    "eff_run_as_group": [["0"], ["0"], ["0"]],
}


@pytest.mark.parametrize("kind", ["containers", "initContainers", "ephemeralContainers"])
@pytest.mark.parametrize("name", PER_CONTAINER)
def test_containers(kind: str, name: str) -> None:
    if (kind, name) == ("ephemeralContainers", "host_port"):
        return
    field = f"ka.req.pod.{kind}.{name}"
    event = pod(*CONTAINERS, kind=kind)
    each = PER_CONTAINER[name]
    assert value(field, **event) == list(itertools.chain(*each))
    for index in range(4):
        assert value(field, str(index), **event) == ((each[index] if index < 3 else []) or None)
    assert value(field, **pod(kind=kind)) is None


def test_a_container_without_a_name_or_image() -> None:
    event = pod({"name": "a", "image": "i"}, {"name": "b"}, {})
    assert value("ka.req.pod.containers.name", **event) is None
    assert value("ka.req.pod.containers.image", **event) is None
    assert value("ka.req.pod.containers.image", "0", **event) == ["i"]
    assert value("ka.req.pod.containers.name", "2", **event) is None
    assert value("ka.req.pod.containers.image.repository", **event) == ["i"]


def test_the_pod_comes_before_nobody() -> None:
    event = pod({}, {"runAsUser": 5}, runAsUser=3, securityContext={"runAsUser": 9})
    assert value("ka.req.pod.containers.eff_run_as_user", **event) == ["3", "5"]


def test_the_first_container() -> None:
    event = pod(*CONTAINERS)
    assert value("ka.req.container.image", **event) == "reg.example:5000/a/b:1"
    assert value("ka.req.container.image.repository", **event) == "reg.example"
    assert value("ka.req.container.image", **pod({}, {"image": "x"})) is None
    assert value("ka.req.container.image", **pod()) is None


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [([False, True], "true"), ([False], "false"), ([None], "false"), (["true"], "false"), ([], "false")],
)
def test_privileged(flags: list[Any], wanted: str) -> None:
    event = pod({}, *({"securityContext": {"privileged": flag}} for flag in flags))
    assert value("ka.req.container.privileged", **event) == wanted
    assert value("ka.req.container.privileged", requestObject={"spec": {}}) is None


def test_source_addresses_are_looked_for_in_rules() -> None:
    assert value("ka.sourceips", sourceIPs=["192.0.2.1"]) is None
    event = {"requestObject": {"rules": [{"sourceIPs": ["192.0.2.1"]}, {"sourceIPs": ["192.0.2.2"]}]}}
    assert value("ka.sourceips", **event) == ["192.0.2.1", "192.0.2.2"]
    assert value("ka.sourceips", "1", **event) == ["192.0.2.2"]


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("ka.verb", "0"),
        ("ka.none", None),
        ("ka.uri.param", None),
        ("ka.user.groups", "0"),
        ("ka.sourceips", "x"),
        ("ka.sourceips", "-1"),
        ("ka.sourceips", "١"),
        ("ka.sourceips", "9" * 30),
    ],
)
def test_what_was_never_declared(name: str, argument: str | None) -> None:
    with pytest.raises(PluginError, match=name):
        extract(name, b"{}", argument=argument)


SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "spec",
                    "containers",
                    "volumes",
                    "rules",
                    "subjects",
                    "kind",
                    "name",
                    "ports",
                    "securityContext",
                    "verbs",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=30)
@given(
    st.lists(
        documents
        | st.binary(max_size=30)
        | SHAPES.map(lambda shape: json.dumps({"auditID": "x", "requestObject": shape, "requestURI": "/?a"}).encode()),
        min_size=1,
        max_size=4,
    )
)
def test_any_bytes_are_only_data(records: list[bytes]) -> None:
    prepared = PLUGIN.prepare(payloads(*records))
    for field in PLUGIN.fields:
        for argument in ([None] if not field.argument.required else []) + (
            ["0"] if field.argument is not ArgumentRule.NONE else []
        ):
            column = PLUGIN.extract(prepared, field.name, argument)
            assert len(column) == len(column.to_arrow()) == len(records)
