"""Comparison of two sets of alerts: which are in one only, and which differ in what they say.

Alerts of the same time and rule belong together; the order of alerts does not count.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from scaptools.rules.alertfiles import AlertEntry, AlertFile


#: Kinds of differences, and how each is marked.
SIGNS = {"removed": "-", "added": "+", "changed": "!"}


@dataclass(frozen=True, slots=True)
class Difference:
    """An alert of one set only, or one that says something else in the other."""

    before: AlertEntry | None
    after: AlertEntry | None

    @property
    def kind(self) -> str:
        """``removed``, ``added`` or ``changed``."""
        return "removed" if self.after is None else "added" if self.before is None else "changed"

    @property
    def entry(self) -> AlertEntry:
        """The alert, as it was where it has changed."""
        entry = self.before or self.after
        if entry is None:
            raise ValueError("a difference between nothing and nothing")
        return entry

    def changes(self) -> Iterator[tuple[str, Any, Any]]:
        """Name, value before and value after of all that has changed; None where there was no value."""
        before = {} if self.before is None else _flat(self.before.details)
        after = {} if self.after is None else _flat(self.after.details)
        for name in dict.fromkeys([*before, *after]):
            if before.get(name) != after.get(name) or (name in before) != (name in after):
                yield name, before.get(name), after.get(name)

    def lines(self) -> Iterator[str]:
        """The difference for people: each line with its sign first, blanks aside: - was, + is, ! has changed."""
        entry = self.entry
        head = " ".join(part for part in (entry.time, entry.rule) if part)
        if self.kind != "changed":
            told = f"{entry.details.get('priority', '')} {entry.details.get('message', '')}".strip()
            yield f"{SIGNS[self.kind]} {head}: {told}"
            return
        yield f"{SIGNS[self.kind]} {head}"
        for name, before, after in self.changes():
            yield f"    {name}:"
            for kind, value in (("removed", before), ("added", after)):
                if value is not None:
                    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                    first, *others = shown.split("\n")
                    yield f"      {SIGNS[kind]} {first}"
                    yield from (f"        {line}" for line in others)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two sets of alerts have in common, in number, and where they differ, by time."""

    same: int
    differences: list[Difference] = field(default_factory=list)

    def counts(self) -> Counter[str]:
        """How many differences there are of each kind."""
        return Counter(difference.kind for difference in self.differences)


def compare_alerts(before: AlertFile, after: AlertFile, *, ignored: Collection[str] = ()) -> Comparison:
    """Compare two files of alerts, details in ``ignored`` left aside.

    Of a JSON and a text file only what both have is compared. Raises InputError.
    """
    as_text = before.is_text != after.is_text
    equal = before.raw() & after.raw()
    sides = [[_seen(entry, ignored, as_text) for entry in file.entries(equal)] for file in (before, after)]
    kept = [Counter(entry.identity() for entry in side) for side in sides]
    common = kept[0] & kept[1]
    left, right = (list(_without(side, common)) for side in sides)
    return Comparison(equal.total() + common.total(), _paired(left, right))


def _seen(entry: AlertEntry, ignored: Collection[str], as_text: bool) -> AlertEntry:
    return (entry.as_text() if as_text else entry).without(ignored)


def _without(entries: Iterable[AlertEntry], common: Counter[str]) -> Iterator[AlertEntry]:
    left = common.copy()
    for entry in entries:
        identity = entry.identity()
        if left[identity] > 0:
            left[identity] -= 1
        else:
            yield entry


def _paired(before: list[AlertEntry], after: list[AlertEntry]) -> list[Difference]:
    waiting: defaultdict[tuple[str, str], list[AlertEntry]] = defaultdict(list)
    for entry in reversed(after):
        waiting[entry.time, entry.rule].append(entry)
    found = []
    for entry in before:
        partners = waiting[entry.time, entry.rule]
        found.append(Difference(entry, partners.pop() if partners else None))
    found += [Difference(None, entry) for entries in waiting.values() for entry in reversed(entries)]
    return sorted(found, key=lambda difference: difference.entry.time)


def _flat(details: dict[str, Any]) -> dict[str, Any]:
    """Details with those of ``output_fields`` one by one."""
    flat: dict[str, Any] = {}
    for name, value in details.items():
        if name == "output_fields" and isinstance(value, dict):
            flat |= {f"output_fields.{inner}": part for inner, part in value.items()}
        else:
            flat[name] = value
    return flat
