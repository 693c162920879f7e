"""Every field upstream has or had is declared, or there is a reason why it is not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from scaptools.fields.catalog import Catalog

if TYPE_CHECKING:
    from pathlib import Path

#: What is not declared, by the start of the name, and why.
ABSENT = {
    "span.": "tracers, which 0.29.3 makes of writes to /dev/null and the newest libraries dropped",
    "evtin.span.": "tracers, which 0.29.3 makes of writes to /dev/null and the newest libraries dropped",
}
#: Fields nothing in a capture can answer, which say so.
LIVE = ("k8s.rc.", "k8s.svc.", "k8s.rs.", "k8s.deployment.", "mesos.", "marathon.")


def test_every_field_is_declared_or_has_a_reason_not_to_be(shared_data: Path) -> None:
    reference = shared_data.parent / "reference" / "fields.json"
    if not reference.is_file():
        pytest.skip("the list of upstream's fields is not beside this checkout")
    names = {field["name"] for field in json.loads(reference.read_text())["fields"]}
    missing = {name for name in names if not Catalog().knows(name)}
    assert {name for name in missing if not name.startswith(tuple(ABSENT))} == set()
    assert all(any(name.startswith(start) for name in missing) for start in ABSENT)


def test_fields_only_a_live_system_answers_say_so() -> None:
    live = [field for field in Catalog().registry if field.name.startswith(LIVE)]
    assert len(live) > 20
    assert all("live" in field.description for field in live)
