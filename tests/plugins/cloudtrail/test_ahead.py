from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaptools.plugins.cloudtrail.ahead import in_order


class Meter:
    """Counts calls under way and results in flight."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running = self.most_running = self.made = 0

    def __call__(self, number: int) -> int:
        with self.lock:
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        time.sleep(0.001 * (number % 3))
        with self.lock:
            self.running -= 1
            self.made += 1
        return number


@settings(max_examples=25)
@given(st.integers(0, 30), st.integers(1, 8), st.integers(0, 20), st.integers(1, 50))
def test_results_in_order_and_within_limits(count: int, threads: int, ahead: int, budget: int) -> None:
    meter = Meter()
    found = []
    for number in in_order(meter, range(count), threads=threads, ahead=ahead, weight=lambda n: n % 7, budget=budget):
        found.append(number)
        assert meter.made - len(found) <= (ahead or threads)
    assert found == list(range(count))
    assert meter.most_running <= threads


def test_calls_do_run_at_the_same_time() -> None:
    together = threading.Barrier(4, timeout=10)
    assert len({*in_order(lambda _: together.wait(), range(4), threads=4)}) == 4


def test_the_budget_holds_back_all_but_one() -> None:
    meter = Meter()
    assert list(in_order(meter, range(6), threads=4, weight=lambda _: 10, budget=9)) == list(range(6))
    assert meter.most_running == 1


def test_an_error_comes_in_its_turn() -> None:
    def fail(number: int) -> int:
        if number >= 3:
            raise LookupError(number)
        time.sleep(0.02)
        return number

    results = in_order(fail, range(9), threads=9)
    assert [next(results), next(results), next(results)] == [0, 1, 2]
    with pytest.raises(LookupError, match="3"):
        next(results)
    assert list(results) == []


def test_threads_end_with_the_reader() -> None:
    before = set(threading.enumerate())
    results = in_order(lambda number: number, range(100), threads=5)
    assert next(results) == 0
    started = set(threading.enumerate()) - before
    assert 0 < len(started) <= 5
    results.close()
    for thread in started:
        thread.join(10)
    assert not any(thread.is_alive() for thread in started)
