"""Golden files of alerts: one JSON object a line, free of anything that depends on the machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from scaptools.rules.alertfiles import AlertFile, read_alerts
from scaptools.rules.comparison import compare_alerts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from scaptools.rules.alerts import Alert

#: Field of an alert's prefix, which says again what ``time_ns`` does.
_PREFIX_FIELD = "evt.time"


def golden_lines(alerts: Sequence[Alert]) -> list[str]:
    """The lines of a golden file."""
    return [
        json.dumps(
            {
                "number": alert.number,
                "time_ns": alert.time_ns,
                "rule": alert.rule,
                "priority": alert.priority.label,
                "source": alert.source,
                "tags": list(alert.tags),
                "message": alert.message,
                "fields": {name: value for name, value in alert.fields.items() if name != _PREFIX_FIELD},
            },
            ensure_ascii=False,
        )
        for alert in alerts
    ]


def write_golden(alerts: Sequence[Alert], path: Path) -> None:
    """Write a golden file; directories are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in golden_lines(alerts)), "utf-8")


def compare_golden(alerts: Sequence[Alert], path: Path) -> str:
    """How alerts differ from a golden file, as a diff; empty where they do not. Raises InputError."""
    if not path.exists():
        return f"{path} does not exist; run pytest with --update-golden to write it"
    lines = golden_lines(alerts)
    if path.read_text("utf-8").splitlines() == lines:
        return ""
    found = AlertFile(
        "the alerts of this run", is_text=False, lines=[(line.encode(), at) for at, line in enumerate(lines, 1)]
    )
    differences = compare_alerts(read_alerts(str(path)), found).differences
    shown = [line for difference in differences for line in difference.lines()]
    return "\n".join(
        [
            f"the alerts are not those of {path}:",
            *(shown or ["the same alerts in another order"]),
            "run pytest with --update-golden if this is right",
        ]
    )
