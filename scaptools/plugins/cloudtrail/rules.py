"""Field rules: how each field's column is computed from the records.

A rule is a function from `Records` to an Arrow text array or to a column. Plain rules are made from a path by the
functions at the top; the others follow the kinds of record that AWS writes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaptools.columns import Lists, Numbers, Texts, coded_texts
from scaptools.plugins.cloudtrail.records import as_mask
from scaptools.plugins.jsontext.texts import map_distinct, replaced, row_numbers, truths

if TYPE_CHECKING:
    from collections.abc import Callable

    from scaptools.columns import Coded
    from scaptools.plugins.cloudtrail.records import Records
    from scaptools.plugins.jsontext import Spans

Rule: TypeAlias = "Callable[[Records], pa.Array | Numbers | Coded | Lists]"

ZERO: Final = pa.scalar(0, pa.int32())
IDENTITY_TYPE: Final = "userIdentity.type"
_USER_NAME: Final = "userIdentity.userName"
#: For each identity type where the user's name is, and what stands for a name that is not there.
USER_OF_TYPE: Final[dict[bytes, tuple[str | None, bytes | None]]] = {
    b"Root": (_USER_NAME, None),
    b"IAMUser": (_USER_NAME, None),
    b"AWSService": ("userIdentity.invokedBy", None),
    b"AssumedRole": ("userIdentity.sessionContext.sessionIssuer.userName", b"AssumedRole"),
    b"AWSAccount": (None, b"AWSAccount"),
    b"FederatedUser": (None, b"FederatedUser"),
}
_SERVICE_DOMAIN: Final = b".amazonaws.com"
_BYTES_IN: Final = "additionalEventData.bytesTransferredIn"
_BYTES_OUT: Final = "additionalEventData.bytesTransferredOut"
_INSTANCES: Final = "responseElements.instancesSet.items"
_REQUESTED_IMAGES: Final = (
    "requestParameters.imageId",
    "requestParameters.DescribeFastLaunchImagesRequest.ImageId.content",
    "requestParameters.launchSpecification.imageId",
)
_ACCESS_BLOCK: Final = b"PutBucketPublicAccessBlock"
_ACCESS_BLOCK_SWITCHES: Final = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
#: The arrow of a summary line, by failed * 2 + changing.
_ARROWS: Final = tuple(arrow.encode() for arrow in (" ← ", " → ", " !← ", " !→ "))
_INFO_MISSING: Final = "<invalid cloudtrail event: {} field missing>"
_INTEGER: Final = re.compile(rb"[0-9]+")
_FLOAT: Final = re.compile(rb"-?[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?")


def text(path: str) -> Rule:
    """The text at a path."""
    return lambda records: records.text(path)


def whole(path: str) -> Rule:
    """The value at a path as compact JSON."""

    def rule(records: Records) -> pa.Array:
        spans = records.at(path)
        return records.documents.sources(spans.start, spans.end, spans.present)

    return rule


def flag(path: str) -> Rule:
    """``true`` for the JSON literal, ``false`` for anything else that is there."""

    def rule(records: Records) -> Coded:
        spans = records.at(path)
        codes = records.documents.is_true(spans).astype(np.int8)
        codes[~spans.present] = -1
        return coded_texts(codes, (b"false", b"true"))

    return rule


def never(records: Records) -> pa.Array:
    """Missing everywhere."""
    return pa.nulls(len(records), records.type)


def total(*paths: str) -> Rule:
    """The sum of the numbers at some paths, present where one of them is."""

    def rule(records: Records) -> Numbers:
        values, valid = np.zeros(len(records), np.uint64), np.zeros(len(records), bool)
        for path in paths:
            spans = records.at(path)
            rows = np.flatnonzero(spans.present)
            sources = records.documents.sources(spans.start, spans.end, spans.present).take(row_numbers(rows))
            values[rows] += np.array([_unsigned(source) for source in sources.to_pylist()], np.uint64)
            valid |= spans.present
        return Numbers(values, valid)

    return rule


def _unsigned(source: bytes) -> int:
    if _INTEGER.fullmatch(source):
        digits = source.lstrip(b"0")
        value = int(digits or b"0") if len(digits) <= 20 else 1 << 64
    elif _FLOAT.fullmatch(source):
        number = float(source)
        value = int(number) if 0 <= number < 1 << 64 else 0
    else:
        value = 0
    return value if value < 1 << 64 else 0


uploaded: Final = total(_BYTES_IN)
downloaded: Final = total(_BYTES_OUT)
transferred: Final = total(_BYTES_IN, _BYTES_OUT)


def count_of(name: bytes) -> Rule:
    """1 for events of that name, missing for others."""

    def rule(records: Records) -> Numbers:
        return _ones(records.equal(records.string("eventName"), name))

    return rule


def count_other(records: Records) -> Numbers:
    """1 for events that neither get nor put an object, missing for those."""
    name = records.string("eventName")
    objects = records.equal(name, b"GetObject") | records.equal(name, b"PutObject")
    return _ones(records.parsed() & ~objects)


def _ones(valid: np.ndarray) -> Numbers:
    return Numbers(valid.astype(np.uint64), valid)


def short_source(records: Records) -> Coded:
    """The event source without its domain."""

    def shortened(source: bytes) -> bytes:
        return source.removesuffix(_SERVICE_DOMAIN) or source

    return map_distinct(records.text("eventSource"), shortened)


def account(records: Records) -> pa.Array:
    """The account of the identity, else the one that got the event."""
    return pc.coalesce(records.text("userIdentity.accountId"), records.text("recipientAccountId"))


def user(records: Records) -> pa.Array:
    """Who it was, by the type of the identity."""
    choices = {}
    for kind, (path, substitute) in USER_OF_TYPE.items():
        named = never(records) if path is None else records.text(path)
        choices[kind] = pc.coalesce(named, records.constant(substitute))
    return records.select(records.string(IDENTITY_TYPE), choices)


def original_user(records: Records) -> pa.Array:
    """Who took the role on, for an assumed role; else the name of the identity."""
    assumed = records.equal(records.string(IDENTITY_TYPE), b"AssumedRole")
    arn = map_distinct(records.text("userIdentity.arn"), lambda value: _part(value, b"/", 3))
    principal = map_distinct(records.text("userIdentity.principalId"), lambda value: _part(value, b":", 2))
    session = pc.coalesce(arn.to_arrow(), principal.to_arrow())
    return pc.if_else(truths(assumed), session, records.text(_USER_NAME))


def _part(value: bytes, separator: bytes, count: int) -> bytes | None:
    parts = value.split(separator)
    return parts[-1] if len(parts) == count else None


def object_uri(records: Records) -> pa.Array:
    """Bucket and key as one address."""
    bucket, key = records.string("requestParameters.bucketName"), records.string("requestParameters.key")
    parts = (records.constant(b"s3://"), bucket, records.constant(b"/"), key, records.constant(b""))
    return pc.binary_join_element_wise(*parts, null_handling="emit_null")


def info(records: Records) -> pa.Array:
    """One line about who did what from where, with details for events on storage."""
    who, where, what = records.once(user), records.text("sourceIPAddress"), records.text("eventName")
    failed = records.at("errorCode").present
    read_only = records.at("readOnly")
    changing = read_only.present & ~records.documents.is_true(read_only)
    arrows = pa.array(_ARROWS, records.type).take(row_numbers(failed * 2 + changing))
    via = pc.if_else(pc.equal(who, where), records.constant(b""), records.join(b" via ", where))
    line = records.join(who, via, arrows, what, _details(records, what))
    for column, name in ((what, "eventName"), (where, "eventSource"), (who, "userIdentity")):
        line = pc.if_else(pc.is_null(column), records.constant(_INFO_MISSING.format(name).encode()), line)
    return pc.if_else(truths(records.parsed()), line, records.constant(None))


def _details(records: Records, name: pa.Array) -> pa.Array:
    size = transferred(records)
    digits = pc.cast(pc.cast(size.to_arrow(), pa.string()), records.type)
    parts = (
        (" URI=", object_uri(records)),
        (" Bucket=", records.text("requestParameters.bucketName")),
        (" Key=", records.text("requestParameters.key")),
        (" Host=", records.text("requestParameters.Host")),
    )
    target = pc.coalesce(*(_labelled(records, label, value) for label, value in parts))
    details = records.join(_labelled(records, " Size=", digits), target)
    blocking = records.equal(name, _ACCESS_BLOCK)
    if not blocking.any():
        return details
    configured = records.documents.is_object(records.at("requestParameters.PublicAccessBlockConfiguration"))
    switches = [_labelled(records, f" {switch}=", _switch(records, switch)) for switch in _ACCESS_BLOCK_SWITCHES]
    block = pc.if_else(truths(configured), records.join(*switches, b" "), records.constant(b""))
    return pc.if_else(truths(blocking), block, details)


def _labelled(records: Records, label: str, value: pa.Array) -> pa.Array:
    parts = (records.constant(label.encode()), value, records.constant(b""))
    return pc.binary_join_element_wise(*parts, null_handling="emit_null")


def _switch(records: Records, name: str) -> pa.Array:
    is_true = truths(records.documents.is_true(records.at(name)))
    return pc.if_else(is_true, records.constant(b"true"), records.constant(b"false"))


def resources(records: Records) -> pa.Array:
    """The elements of the list of resources, without its brackets."""
    spans = records.at("resources")
    listed = records.documents.is_array(spans)
    inner = records.documents.sources(spans.start + listed, spans.end - listed, listed)
    return pc.if_else(pc.equal(pc.binary_length(inner), ZERO), records.constant(None), inner)


def instance_name(records: Records) -> pa.Array:
    """The Name tag asked for new instances; of several sets of tags the last counts."""
    documents = records.documents
    rows, items = documents.elements(records.at("requestParameters.tagSpecificationSet.items"))
    instance = _is(records, documents.descend(items, b"resourceType"), b"instance")
    owners, tags = documents.elements(documents.descend(items, b"tags").where(instance))
    named = _is(records, documents.descend(tags, b"key"), b"Name")
    values = documents.descend(tags, b"value")
    texts = documents.strings(values.where(documents.is_string(values)))
    # The first name of each item, and of those the last of each record.
    owners, first = np.unique(owners[named], return_index=True)
    chosen = dict(
        zip(rows[owners].tolist(), texts.filter(truths(named)).take(row_numbers(first)).to_pylist(), strict=True)
    )
    chosen = {row: name for row, name in chosen.items() if name}
    return replaced(never(records), np.array(list(chosen), np.intp), list(chosen.values()))


def _is(records: Records, spans: Spans, value: bytes) -> np.ndarray:
    documents = records.documents
    return documents.is_string(spans) & as_mask(pc.equal(documents.strings(spans), records.constant(value)))


def image_ids(records: Records) -> Lists:
    """The images of the instances that were started, else the one that was asked for."""
    documents = records.documents
    items = records.at(_INSTANCES)
    rows, elements = documents.elements(items)
    found = documents.strings(documents.descend(elements, b"imageId"))
    filled = as_mask(pc.greater(pc.binary_length(found), ZERO))
    asked = _requested_image(records)
    asked_rows = np.flatnonzero(asked.is_valid().to_numpy(zero_copy_only=False))
    values = pa.concat_arrays([found.filter(truths(filled)), asked.take(row_numbers(asked_rows))])
    owners = np.concatenate((rows[filled], asked_rows))
    counts = np.bincount(owners, minlength=len(records))
    offsets = np.concatenate(([0], np.cumsum(counts)))
    return Lists(offsets, Texts(values.take(row_numbers(np.argsort(owners, kind="stable")))), counts > 0)


def first_image_id(records: Records) -> pa.Array:
    """The image of the first instance, else the one that was asked for."""
    return _image_id(records, 0)


def image_id_at(index: int) -> Rule:
    """The image of one instance, as a list; what was asked for is the first where no instance is listed."""

    def rule(records: Records) -> Lists:
        found = _image_id(records, index)
        valid = found.is_valid().to_numpy(zero_copy_only=False)
        return Lists(np.concatenate(([0], np.cumsum(valid))), Texts(found.drop_null()), valid)

    return rule


def _image_id(records: Records, index: int) -> pa.Array:
    documents = records.documents
    items = records.at(_INSTANCES)
    element = documents.descend(items.where(documents.is_array(items)), str(index).encode())
    found = documents.strings(documents.descend(element, b"imageId"))
    return pc.coalesce(found, _requested_image(records)) if index == 0 else found


def _requested_image(records: Records) -> pa.Array:
    asked = pc.coalesce(*(records.text(path) for path in _REQUESTED_IMAGES))
    return pc.if_else(truths(records.at(_INSTANCES).present), records.constant(None), asked)
