"""The fields of audit events: one entry each, in the order they are listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from scap_formats.types import ParamType
from scaptools.plugins.contract import ArgumentRule, PluginField
from scaptools.plugins.jsontext.marks import in_value
from scaptools.plugins.k8saudit import rules
from scaptools.plugins.k8saudit.rules import (
    ROLE_RULES,
    SPEC,
    SUBJECTS,
    all_parts,
    effective,
    elements,
    flat_parts,
    host_ports,
    one,
    parts,
    repositories,
    subjects,
    text,
    words,
)

if TYPE_CHECKING:
    from scaptools.plugins.contract import Marks
    from scaptools.plugins.k8saudit.rules import KeyRule, Rule


@dataclass(frozen=True, slots=True)
class Entry:
    """One field: what it is called, how it is computed, what it means; one of the rules is set.

    ``marks`` is as in `PluginField`.
    """

    name: str
    about: str
    rule: Rule | None = None
    key_rule: KeyRule | None = None
    is_list: bool = False
    indexed: bool = False
    marks: Marks | None = None

    def declared(self) -> PluginField:
        """The field as the plugin contract has it."""
        argument = ArgumentRule.NONE
        if self.key_rule is not None:
            argument = ArgumentRule.REQUIRED_KEY
        elif self.indexed:
            argument = ArgumentRule.OPTIONAL_INDEX
        return PluginField(self.name, ParamType.CHARBUF, self.about, argument, self.is_list, marks=self.marks)


def _scalar(name: str, path: str, about: str) -> Entry:
    return Entry(f"ka.{name}", about, text(path), marks=in_value)


def _keyed(name: str, rule: KeyRule, about: str) -> Entry:
    return Entry(f"ka.{name}", about, key_rule=rule)


def _list(name: str, rule: Rule, about: str) -> Entry:
    return Entry(f"ka.{name}", about, rule, is_list=True)


def _indexed(name: str, rule: Rule, about: str) -> Entry:
    return Entry(f"ka.{name}", about, rule, is_list=True, indexed=True)


_SECURITY: Final = "securityContext"


def _containers(kind: str, which: str, *, ports: bool = True) -> tuple[Entry, ...]:
    """The fields of the containers in one list of a pod's specification."""
    path = f"{SPEC} {kind}"
    rows: tuple[tuple[str, Rule, str], ...] = (
        ("name", all_parts(path, "name"), "Names"),
        ("image", all_parts(path, "image"), "Images"),
        ("image.repository", repositories(path), "Images up to the first colon"),
        ("command", words(path, "command"), "Commands, words joined by blanks,"),
        ("args", words(path, "args"), "Arguments, words joined by blanks,"),
        ("host_port", host_ports(path), "Ports on the host, or else in the container,"),
        ("privileged", parts(path, f"{_SECURITY} privileged"), "Privileged flags"),
        (
            "allow_privilege_escalation",
            parts(path, f"{_SECURITY} allowPrivilegeEscalation"),
            "Flags that allow privilege escalation",
        ),
        ("read_only_fs", parts(path, f"{_SECURITY} readOnlyRootFilesystem"), "Flags of a read-only root file system"),
        ("run_as_user", parts(path, f"{_SECURITY} runAsUser"), "User ids"),
        ("run_as_group", parts(path, f"{_SECURITY} runAsGroup"), "Group ids"),
        ("proc_mount", parts(path, f"{_SECURITY} procMount"), "Kinds of the mount of /proc"),
        ("add_capabilities", parts(path, f"{_SECURITY} capabilities add"), "Added capabilities, as JSON lists,"),
        ("eff_run_as_user", effective(path, "runAsUser"), "User ids outside of security contexts, 0 by default,"),
        ("eff_run_as_group", effective(path, "runAsGroup"), "Group ids outside of security contexts, 0 by default,"),
    )
    return tuple(
        _indexed(f"req.pod.{kind}.{name}", rule, f"{about} of the pod's {which}")
        for name, rule, about in rows
        if ports or name != "host_port"
    )


def _annotation(name: str, key: str, about: str) -> Entry:
    return _scalar(name, f"annotations {key}", about)


ENTRIES: Final[tuple[Entry, ...]] = (
    _scalar("auditid", "auditID", "Identifier of the request the event belongs to"),
    _scalar("stage", "stage", "Stage of the request, such as ResponseComplete"),
    _annotation("auth.decision", "authorization.k8s.io/decision", "Whether the request was allowed"),
    _annotation("auth.reason", "authorization.k8s.io/reason", "Why the request was allowed or not"),
    _annotation("auth.openshift.decision", "authentication.openshift.io/decision", "Outcome of OpenShift's login"),
    _annotation("auth.openshift.username", "authentication.openshift.io/username", "User of OpenShift's login"),
    _annotation(
        "validations.admission.policy.failure",
        "validation.policy.admission.k8s.io/validation_failure",
        "Admission policies the request does not comply with",
    ),
    _annotation(
        "security.pod.violations",
        "pod-security.kubernetes.io/audit-violations",
        "Pod security standards the request does not comply with",
    ),
    _scalar("user.name", "user username", "User who made the request"),
    _list("user.groups", elements("user groups"), "Groups of the user who made the request"),
    _scalar("impuser.name", "impersonatedUser username", "User who was impersonated"),
    _scalar("verb", "verb", "What was to be done: get, list, create and so on"),
    _scalar("uri", "requestURI", "Address of the request, with its query"),
    _keyed("uri.param", rules.uri_parameter, "First value of a parameter of the request's query"),
    _scalar("target.name", "objectRef name", "Name of the object the request is about"),
    _scalar("target.namespace", "objectRef namespace", "Namespace of the object the request is about"),
    _scalar("target.resource", "objectRef resource", "Resource the request is about"),
    _scalar("target.subresource", "objectRef subresource", "Part of the resource the request is about"),
    Entry("ka.target.pod.name", "Name of the pod, for a request about a pod as such", rules.pod_name),
    _list("req.binding.subjects", elements(SUBJECTS), "Subjects of a binding, as JSON objects"),
    _list("req.binding.subjects.user_names", subjects(b"User"), "Users among the subjects of a binding"),
    _list("req.binding.subjects.group_names", subjects(b"Group"), "Groups among the subjects of a binding"),
    _list(
        "req.binding.subjects.serviceaccount_names",
        subjects(b"ServiceAccount"),
        "Service accounts among the subjects of a binding",
    ),
    _list(
        "req.binding.subjects.serviceaccount_ns_names",
        subjects(b"ServiceAccount", spaced=True),
        "Service accounts among the subjects of a binding, as NAMESPACE:NAME",
    ),
    _keyed("req.binding.subject.has_name", rules.has_subject_name, "Deprecated; true of every event"),
    _scalar("req.binding.role", "requestObject roleRef name", "Role a binding gives"),
    _scalar("req.configmap.name", "objectRef name", "Name of the config map"),
    _scalar("req.configmap.obj", "requestObject data", "Data of the config map, as JSON"),
    Entry("ka.req.container.image", "Image of the first container", rules.first_image),
    Entry(
        "ka.req.container.image.repository",
        "Image of the first container up to the first colon",
        rules.first_repository,
    ),
    _scalar("req.container.host_network", f"{SPEC} hostNetwork", "Whether the pod uses the host's network"),
    Entry("ka.req.container.privileged", "Whether a container is privileged", rules.privileged),
    _list("req.role.rules", elements(ROLE_RULES), "Rules of a role, as JSON objects"),
    *(
        _indexed(f"req.role.rules.{name}", flat_parts(ROLE_RULES, name), f"{name} of the rules of a role")
        for name in ("apiGroups", "nonResourceURLs", "verbs", "resources")
    ),
    _scalar("req.pod.fs_group", f"{SPEC} {_SECURITY} fsGroup", "Group that owns the pod's volumes"),
    _list(
        "req.pod.supplemental_groups",
        elements(f"{SPEC} {_SECURITY} supplementalGroups"),
        "Further group ids of the pod",
    ),
    _scalar("req.pod.host_ipc", f"{SPEC} hostIPC", "Whether the pod uses the host's IPC namespace"),
    _scalar("req.pod.host_network", f"{SPEC} hostNetwork", "Whether the pod uses the host's network"),
    _scalar("req.pod.host_pid", f"{SPEC} hostPID", "Whether the pod uses the host's PID namespace"),
    _scalar("req.pod.run_as_group", f"{SPEC} {_SECURITY} runAsGroup", "Group id of the pod"),
    _scalar("req.pod.run_as_user", f"{SPEC} {_SECURITY} runAsUser", "User id of the pod"),
    *_containers("containers", "containers"),
    *_containers("initContainers", "init containers"),
    *_containers("ephemeralContainers", "ephemeral containers", ports=False),
    _scalar("req.service.type", f"{SPEC} type", "Type of the service"),
    _indexed("req.service.ports", one(f"{SPEC} ports"), "Ports of the service, as one JSON list"),
    _indexed("req.pod.volumes.hostpath", parts(f"{SPEC} volumes", "hostPath path"), "Host paths of the pod's volumes"),
    _indexed(
        "req.pod.volumes.flexvolume_driver",
        parts(f"{SPEC} volumes", "flexVolume driver"),
        "Flex drivers of the pod's volumes",
    ),
    _indexed("req.pod.volumes.volume_type", rules.volume_types, "Types of the pod's volumes"),
    _keyed(
        "req.volume.hostpath",
        rules.has_host_path,
        "Whether a volume is that path of the host; a * at its end stands for anything",
    ),
    _scalar("resp.name", "responseObject metadata name", "Name of the object in the response"),
    _scalar("response.code", "responseStatus code", "Status code of the response"),
    _scalar("response.reason", "responseStatus reason", "Reason given in the response"),
    _scalar("useragent", "userAgent", "Program that made the request"),
    _indexed("sourceips", flat_parts(ROLE_RULES, "sourceIPs"), "Addresses named sourceIPs in the request's rules"),
    _annotation("cluster.name", "cluster_name", "Cluster the event comes from"),
)
