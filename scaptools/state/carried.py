"""Carried state: everything the engine hands from one batch to the next, and so all a checkpoint has to hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scaptools.state.lifecycle import Population
from scaptools.state.pairing import OpenEnters
from scaptools.state.tables import Tables

if TYPE_CHECKING:
    from scaptools.state.counters import KeptCounters
    from scaptools.state.runtimes import KeptRunTimes


@dataclass(slots=True)
class Carried:
    """The state behind a batch; ``counters`` and ``run_times`` are None where they are not tracked."""

    population: Population = field(default_factory=Population)
    enters: OpenEnters = field(default_factory=OpenEnters)
    tables: Tables = field(default_factory=Tables)
    counters: KeptCounters | None = None
    run_times: KeptRunTimes | None = None
