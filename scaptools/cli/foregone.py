"""Foregone conclusions: questions an index answers for a whole capture before anything that reads events is loaded.

Loading that takes longer than the answer. Only the plainest filters are understood here, those that ask for types of
events; whatever else is asked, or might be wrong, is left to the filter language.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaptools.capture.sidecar import Sidecar, has_sidecar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scaptools.capture.batch import EventBatch

#: What an index says about its capture under this name: the types of events filters may name and no event has.
_ABSENT = "absent_types"

_NAME = r"[a-z][a-z0-9_]*"
_NAMES = rf"{_NAME}(?:\s*,\s*{_NAME})*"
_TERM = re.compile(rf"\s*evt\.type\s*(?:==?\s*(?P<name>{_NAME})|\s+in\s*\(\s*(?P<names>{_NAMES})\s*\))\s*", re.ASCII)
_COMMA = re.compile(r"\s*,\s*")


def about_types(samples: EventBatch) -> Mapping[str, Any]:
    """What an index is to say of a capture, by one event of each kind in it."""
    from scap_formats.table import event_table, syscall_table
    from scaptools.fields.catalog import Catalog

    catalog = Catalog()
    kind = catalog.parse("evt.type")
    named = {event.name for event in event_table().events} | {call.name for call in syscall_table().syscalls}
    known = {name for name in named if name and catalog.known_value(kind, name) is None}
    present = {text.decode() for text in kind.column(samples, slice(None)).to_arrow().to_pylist() if text is not None}
    return {_ABSENT: sorted(known - present)}


def is_foregone(expression: str, names: Sequence[str]) -> bool:
    """Whether indexes show that a filter is sound and that nothing in any of the captures matches it."""
    wanted = _types(expression)
    if not wanted or not all(map(has_sidecar, names)):
        return False
    sidecars = map(Sidecar.open, map(Path, names))
    return all(
        sidecar is not None and sidecar.header["usable"] and wanted <= set(sidecar.header.get(_ABSENT, ()))
        for sidecar in sidecars
    )


def _types(expression: str) -> set[str]:
    """The types of which a filter asks for any, empty where it asks for more than that."""
    wanted: set[str] = set()
    for part in re.split(r"\bor\b", expression):
        term = _TERM.fullmatch(part)
        if term is None:
            return set()
        wanted.update(_COMMA.split(term["name"] or term["names"]))
    return wanted
