"""Field rules: how each field's column is computed from the audit events.

A rule takes the events and an index, None where the field is used without one. Rules are made from paths by the
functions here; some follow the first version of these fields rather than what their names suggest.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import unquote_to_bytes

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaptools.columns import coded_texts
from scaptools.plugins.jsontext import unescape
from scaptools.plugins.jsontext.grammar import scan
from scaptools.plugins.jsontext.texts import map_distinct

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from scaptools.columns import Coded, Lists, Mask
    from scaptools.plugins.k8saudit.audits import Audits, Items

Rule: TypeAlias = "Callable[[Audits, int | None], pa.Array | Coded | Lists]"
#: A rule for a field that is used with a key.
KeyRule: TypeAlias = "Callable[[Audits, bytes], pa.Array | Coded | Lists]"

SPEC: Final = "requestObject spec"
SUBJECTS: Final = "requestObject subjects"
ROLE_RULES: Final = "requestObject rules"
_CONTAINERS: Final = f"{SPEC} containers"
_VOLUMES: Final = f"{SPEC} volumes"
_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9a-fA-F]{2})")
_NO_USER: Final = b"0"


def text(path: str) -> Rule:
    """The value at a path."""
    return lambda audits, _: audits.text(path)


def elements(path: str) -> Rule:
    """The elements of the list at a path."""

    def rule(audits: Audits, _: int | None) -> Lists:
        items = audits.items(path)
        return audits.lists(items.rows, audits.printed(items))

    return rule


def parts(path: str, name: str) -> Rule:
    """One member of each element of the list at a path, where it has that."""

    def rule(audits: Audits, index: int | None) -> Lists:
        items = audits.items(path, index)
        return audits.lists(items.rows, audits.printed(items, name))

    return rule


def all_parts(path: str, name: str) -> Rule:
    """One member of each element of the list at a path; nothing at all where an element does not have it."""

    def rule(audits: Audits, index: int | None) -> Lists:
        items = audits.items(path, index)
        lacking = np.unique(items.rows[~audits.below(items, name).present])
        items = items.taken(~np.isin(items.rows, lacking))
        return audits.lists(items.rows, audits.printed(items, name))

    return rule


def flat_parts(path: str, name: str) -> Rule:
    """The elements of a list that each element of the list at a path has."""

    def rule(audits: Audits, index: int | None) -> Lists:
        _, inner = audits.inner(audits.items(path, index), name)
        return audits.lists(inner.rows, audits.printed(inner))

    return rule


def one(path: str) -> Rule:
    """A list of the value at a path and nothing else, whatever the index."""
    return lambda audits, _: audits.single(audits.text(path))


def subjects(kind: bytes, *, spaced: bool = False) -> Rule:
    """The names of the subjects of one kind; ``spaced`` with their namespaces, where they have one."""

    def rule(audits: Audits, _: int | None) -> Lists:
        items = audits.items(SUBJECTS)
        kinds = audits.printed(items, "kind")
        items = items.taken(pc.equal(kinds, pa.scalar(kind, kinds.type)).fill_null(_FALSE).to_numpy(False))
        names = audits.printed(items, "name")
        if spaced:
            parts = (audits.printed(items, "namespace"), names, pa.scalar(b":", names.type))
            names = pc.binary_join_element_wise(*parts, null_handling="emit_null")
        return audits.lists(items.rows, names)

    return rule


# Given to pyarrow as its own scalar: it looks for pandas whenever it has to convert a Python value.
_FALSE: Final = pa.scalar(value=False)


def repository(image: bytes) -> bytes:
    """The part of an image's name before the first colon."""
    return image.partition(b":")[0]


def repositories(path: str) -> Rule:
    """The repositories of the images of the containers at a path."""

    def rule(audits: Audits, index: int | None) -> Lists:
        items = audits.items(path, index)
        return audits.lists(items.rows, map_distinct(audits.printed(items, "image"), repository).to_arrow())

    return rule


def words(path: str, name: str) -> Rule:
    """The words of a list in each element of the list at a path, joined by blanks."""

    def rule(audits: Audits, index: int | None) -> Lists:
        items = audits.items(path, index)
        there = audits.documents.is_array(audits.below(items, name))
        joined: list[list[bytes] | None] = [[] if known else None for known in there]
        owners, inner = audits.inner(items, name)
        for row, word in zip(owners.tolist(), audits.printed(inner).to_pylist(), strict=True):
            line = joined[row]
            if line is not None:
                line.append(word)
        return audits.lists(items.rows, audits.made([None if line is None else b" ".join(line) for line in joined]))

    return rule


def host_ports(path: str) -> Rule:
    """The ports of the containers at a path: on the host if they say so, else in the container."""

    def rule(audits: Audits, index: int | None) -> Lists:
        _, ports = audits.inner(audits.items(path, index), "ports")
        numbers = pc.coalesce(audits.printed(ports, "hostPort"), audits.printed(ports, "containerPort"))
        return audits.lists(ports.rows, numbers)

    return rule


def effective(path: str, name: str) -> Rule:
    """A number of each container at a path, else the pod's, else 0; neither is looked for in a security context."""

    def rule(audits: Audits, index: int | None) -> Lists:
        items = audits.items(path, index)
        own = audits.printed(items, name)
        pods = audits.text(f"{SPEC} {name}").take(pa.array(items.rows, pa.int64()))
        return audits.lists(items.rows, pc.coalesce(own, pods, pa.scalar(_NO_USER, own.type)))

    return rule


def volume_types(audits: Audits, index: int | None) -> Lists:
    """The names of all members of the volumes but for ``name``: there is one, and it says what the volume is."""
    items = audits.items(_VOLUMES, index)
    rows, names = [], []
    for row, start, end in zip(items.rows, items.spans.start, items.spans.end, strict=True):
        source = audits.documents.bytes[start:end].tobytes()
        found = scan(source)
        if found is None:
            continue
        for key, key_end, depth, _, _ in zip(*[iter(found.members)] * 5, strict=True):
            name = unescape(source[key:key_end])
            if depth == 1 and name != b"name":
                rows.append(row)
                names.append(name)
    return audits.lists(np.array(rows, np.intp), audits.made(names))


def first_image(audits: Audits, _: int | None) -> pa.Array:
    """The image of the first container."""
    return _spread(audits, audits.items(_CONTAINERS, 0), "image")


def first_repository(audits: Audits, _: int | None) -> Coded:
    """The repository of the first container's image."""
    return map_distinct(first_image(audits, None), repository)


def _spread(audits: Audits, items: Items, path: str) -> pa.Array:
    """A value of elements that there is one of per event at most, as a column of the events."""
    values = audits.printed(items, path)
    places = np.full(len(audits), -1)
    places[items.rows] = np.arange(len(items))
    return values.take(pa.array(places, mask=places < 0))


def privileged(audits: Audits, _: int | None) -> Coded:
    """Whether a container is privileged; missing where there is no list of them."""
    items = audits.items(_CONTAINERS)
    holding = items.rows[audits.documents.is_true(audits.below(items, "securityContext privileged"))]
    return _truths(audits.documents.is_array(audits.at(_CONTAINERS)), holding)


def _truths(there: Mask, holding: NDArray[np.intp]) -> Coded:
    codes = np.where(there, 0, -1).astype(np.int8)
    codes[holding] = 1
    return coded_texts(codes, (b"false", b"true"))


def has_host_path(audits: Audits, path: bytes) -> Coded:
    """Whether a volume is that path of the host, or begins like it up to a ``*`` at its end."""
    items = audits.items(_VOLUMES)
    paths = audits.printed(items, "hostPath path")
    if path.endswith(b"*"):
        # A prefix is any bytes; Arrow's own test wants text.
        start = path[:-1]
        hits = [found is not None and found.startswith(start) for found in paths.to_pylist()]
    else:
        hits = [found == path for found in paths.to_pylist()]
    return _truths(audits.documents.is_array(audits.at(_VOLUMES)), items.rows[np.array(hits, bool)])


def has_subject_name(audits: Audits, _: bytes) -> Coded:
    """True of every audit event, whatever its subjects."""
    return _truths(audits.readable, np.flatnonzero(audits.readable))


def pod_name(audits: Audits, _: int | None) -> pa.Array:
    """The name of the pod an event is about, where it is about a pod as such."""
    resource = audits.text("objectRef resource")
    subresource = audits.text("objectRef subresource")
    empty = pa.scalar(b"", resource.type)
    about = pc.and_(
        pc.fill_null(pc.equal(resource, pa.scalar(b"pods", resource.type)), _FALSE),
        pc.equal(pc.coalesce(subresource, empty), empty),
    )
    return pc.if_else(about, audits.text("responseObject metadata name"), pa.scalar(None, resource.type))


def uri_parameter(audits: Audits, key: bytes) -> Coded:
    """The first value of a parameter of the request's query."""
    return map_distinct(audits.text("requestURI"), lambda uri: query_value(uri, key))


def query_value(uri: bytes, key: bytes) -> bytes | None:
    """The first value of a query parameter, decoded; None where there is none that decodes."""
    query = uri.partition(b"#")[0].partition(b"?")[2]
    for part in query.split(b"&"):
        if not part or b";" in part or _BAD_ESCAPE.search(part):
            continue
        name, _, value = part.replace(b"+", b" ").partition(b"=")
        if unquote_to_bytes(name) == key:
            return unquote_to_bytes(value)
    return None
