"""Rule sets from texts, captures from payloads, and the alerts of one over the other."""

from __future__ import annotations

import io
import json
import textwrap
import time
from typing import TYPE_CHECKING, Any

import pytest

from scaptools.fields.catalog import Catalog
from scaptools.rules.alerts import Alert
from scaptools.rules.engine import RuleEngine
from scaptools.rules.ruleset import LoadResult, RuleSet
from scaptools.rules.run import alerts_of
from scaptools.testing import CaptureBuilder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLOUDTRAIL = 2


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The local zone is UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return Catalog()


@pytest.fixture
def rules(catalog: Catalog) -> Callable[..., RuleSet]:
    """``rules(text, ..., **options)``: a set with texts loaded one after the other, whatever came of it."""

    def load(*texts: str, **options: Any) -> RuleSet:
        loaded = RuleSet(catalog, **options)
        for number, text in enumerate(texts):
            loaded.load_text(textwrap.dedent(text), f"rules{number}.yaml")
        return loaded

    return load


@pytest.fixture
def load(rules: Callable[..., RuleSet]) -> Callable[..., LoadResult]:
    """``load(text, ...)``: what loading the last of some texts led to."""
    return lambda *texts, **options: rules(*texts, **options).results[-1]


def trail(*events: Any) -> io.BytesIO:
    """A capture of CloudTrail events: objects, or payloads as they are."""
    builder = CaptureBuilder()
    for event in events:
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        builder.plugin_event(payload, plugin_id=CLOUDTRAIL)
    return io.BytesIO(builder.to_bytes())


@pytest.fixture
def alerts() -> Callable[..., list[Alert]]:
    """``alerts(rule_set, *events, **options)``: the alerts of the enabled rules for CloudTrail events."""

    def find(rule_set: RuleSet, *events: Any, **options: Any) -> list[Alert]:
        assert all(result.successful for result in rule_set.results), rule_set.results[-1].errors
        return alerts_of(RuleEngine(rule_set.active(), rule_set.sources, **options), trail(*events))

    return find
