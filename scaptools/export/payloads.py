"""Payloads: what plugin events carry, in a form Wireshark has a dissector for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

#: Dissectors by what a payload is; their places are the codes `dissectable` gives.
DISSECTORS = ("json", "data-text-lines", "data")


def dissectable(payloads: pa.Array) -> tuple[pa.Array, NDArray[np.int8]]:
    """Payloads a dissector can read, and which one: JSON documents become valid UTF-8 where they were not."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        text = payloads.cast(pa.string())
        is_text = np.ones(len(payloads), bool)
    except pa.ArrowInvalid:
        values = payloads.to_pylist()
        is_text = np.array([_is_utf8(value) for value in values])
        text = pa.array([value.decode("utf-8", "replace") for value in values], pa.string())
    trimmed = pc.utf8_trim_whitespace(text)
    starts = pc.or_(pc.starts_with(trimmed, "{"), pc.starts_with(trimmed, "["))
    ends = pc.or_(pc.ends_with(trimmed, "}"), pc.ends_with(trimmed, "]"))
    is_json = np.asarray(pc.and_(starts, ends).to_numpy(zero_copy_only=False))
    kinds = np.where(is_json, 0, np.where(is_text, 1, 2)).astype(np.int8)
    keep = pa.array(is_json | is_text)
    return pc.if_else(keep, text.cast(pa.binary()), payloads.cast(pa.binary())), kinds


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def shortened(payloads: pa.Array, large: NDArray[np.intp], room: int) -> pa.Array:
    """The payloads, those at the given places with no more bytes than there is room for; JSON objects stay valid."""
    import pyarrow as pa

    values = payloads.to_pylist()
    for row in large.tolist():
        values[row] = _shorten(values[row], room)
    return pa.array(values, pa.binary())


def _shorten(payload: bytes, room: int) -> bytes:
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return payload[:room]
    if not isinstance(document, dict):
        return payload[:room]
    dropped: list[str] = []
    by_size = sorted(document, key=lambda key: len(json.dumps(document[key])), reverse=True)
    text = payload
    for key in by_size:
        del document[key]
        dropped.append(key[:64])
        text = json.dumps({**document, "_scap_truncated": dropped}, separators=(",", ":")).encode()
        if len(text) <= room:
            return text
    return text[:room]
