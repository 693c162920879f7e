"""Falco rules the plain way: for each event one rule after the other, for each field the payload parsed once more.

    python -m bench.naive CAPTURE

Prints how many events set off each rule, the first that matches counting. It serves as the yardstick of `bench.rules`.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from scaptools.capture.reader import open_reader
from scaptools.fields.catalog import Catalog
from scaptools.filter.ast import And, Check, Field, Literal, Literals, Not, Or
from scaptools.plugins.events import plugin_events
from scaptools.rules.ruleset import load_rules
from scaptools.rules.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scaptools.filter.ast import Expression

#: Where the fields of the rules are in a record.
_PATHS = {
    "ct.name": ("eventName",),
    "ct.src": ("eventSource",),
    "ct.error": ("errorCode",),
    "ct.region": ("awsRegion",),
    "ct.user.identitytype": ("userIdentity", "type"),
    "ct.request.username": ("requestParameters", "userName"),
}


def payloads(capture: str) -> Iterator[bytes]:
    """The payloads of a capture's plugin events."""
    with open_reader(capture) as reader:
        for batch in reader.batches():
            events = plugin_events(batch)
            yield from events.payloads(batch, events.rows).data.to_pylist()


def field(payload: bytes, node: Field) -> str | None:
    """The value of a field as text, None where it is missing."""
    value: Any = json.loads(payload)
    for step in _PATHS[node.name] if node.argument is None else node.argument.strip("/").split("/"):
        if not isinstance(value, dict) or step not in value:
            return None
        value = value[step]
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def holds(condition: Expression, payload: bytes) -> bool:
    """Whether a condition holds for a payload."""
    match condition:
        case And(terms=terms):
            return all(holds(term, payload) for term in terms)
        case Or(terms=terms):
            return any(holds(term, payload) for term in terms)
        case Not(term=term):
            return not holds(term, payload)
        case Check(subject=Field() as node, operator="exists"):
            return field(payload, node) is not None
        case Check(subject=Field() as node, operator="=" | "in", operand=Literal() | Literals() as operand):
            value = field(payload, node)
            literals = operand.items if isinstance(operand, Literals) else (operand,)
            return value is not None and any(value == literal.text for literal in literals)
        case Check(subject=Field() as node, operator="!=", operand=Literal(text=text)):
            value = field(payload, node)
            return value is not None and value != text
    raise SystemExit(f"{condition} is more than this can do")


def main() -> None:
    """Run from the command line."""
    rules = load_rules(["cloudtrail"], Catalog()).active([Selection(enable=True, tag="aws_s3")])
    counts: Counter[str] = Counter()
    for payload in payloads(sys.argv[1]):
        first = next((rule.name for rule in rules if holds(rule.condition.expression, payload)), None)
        if first is not None:
            counts[first] += 1
    for name, count in sorted(counts.items()):
        print(f"{name}: {count}")


if __name__ == "__main__":
    main()
