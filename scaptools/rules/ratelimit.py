"""The rate limit of alerts: a bucket of tokens, filled by the time of events, so that a run can be repeated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NANOSECONDS = 1_000_000_000


@dataclass(slots=True)
class RateLimit:
    """Lets ``burst`` alerts pass at once and ``rate`` a second in the long run; counts those it holds back."""

    rate: float
    burst: int
    held_back: int = 0
    _tokens: float = field(init=False)
    _latest_ns: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._tokens = float(self.burst)

    def admitted(self, times: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Which of some alerts pass; ``times`` are those of their events in ns, in order."""
        passed = np.zeros(len(times), bool)
        for place, now in enumerate(times.tolist()):
            elapsed = max(0, now - self._latest_ns) if self._latest_ns else 0
            self._latest_ns = max(self._latest_ns, now)
            self._tokens = min(float(self.burst), self._tokens + elapsed * self.rate / _NANOSECONDS)
            if self._tokens >= 1:
                self._tokens -= 1
                passed[place] = True
        self.held_back += int(np.count_nonzero(~passed))
        return passed
