"""Shares: several processes make what one would have made, in the same order."""

from __future__ import annotations

import os
import signal
import sys
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from scaptools.errors import CorruptedError, ScapError
from scaptools.shares import WHOLE, Share, delivered, in_order, useful_shares

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="shares are forks, which only Linux is trusted with")


def lines(share: Share, count: int = 23) -> Generator[Iterable[bytes], None, int]:
    """Items of as many portions as their number says, some of them none; large ones too."""
    done = 0
    for number in range(count):
        if share.owns(number):
            done += 1
            yield [b"%d.%d " % (number, part) * (1 + 9_000 * (number == 5)) for part in range(number % 4)]
    return done


def collected(count: int, items: int = 23) -> tuple[bytes, list[int]]:
    """What comes out, and what was returned."""
    portions: list[bytes] = []
    done = delivered(
        in_order(lambda share: lines(share, items), count), lambda portion: portions.append(bytes(portion))
    )
    return b"".join(portions), done


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("items", [0, 1, 2, 23])
def test_the_order_is_that_of_one_process(count: int, items: int) -> None:
    text, done = collected(count, items)
    assert text == b"".join(part for item in lines(WHOLE, items) for part in item)
    assert (len(done), sum(done)) == (count, items)


def test_an_error_is_raised_where_its_item_would_have_been() -> None:
    def work(share: Share) -> Generator[Iterable[bytes], None, None]:
        for number in range(10):
            if share.owns(number):
                if number == 3:
                    raise CorruptedError("is broken", offset=77, path="there")
                yield [b"%d" % number]

    found, taken = in_order(work, 2), []
    with pytest.raises(CorruptedError, match="there: is broken at byte 77") as caught:
        taken.extend(found)
    assert taken == [b"0", b"1", b"2"]
    assert caught.value.offset == 77


def test_a_killed_process_is_an_error_not_an_end() -> None:
    def work(share: Share) -> Generator[Iterable[bytes], None, None]:
        for number in range(10):
            if share.owns(number):
                if number == 5:
                    os.kill(os.getpid(), signal.SIGKILL)
                yield [b"%d" % number]

    taken = []
    with pytest.raises(ScapError, match="was killed"):
        taken.extend(in_order(work, 2))
    # Whether what it made before was on its way is up to chance.
    assert taken in ([b"0", b"1", b"2"], [b"0", b"1", b"2", b"3", b"4"])


def test_whoever_stops_early_leaves_no_process_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []
    fork = os.fork

    def noted() -> int:
        pid = fork()
        started.append(pid)
        return pid

    monkeypatch.setattr(os, "fork", noted)

    def work(share: Share) -> Generator[Iterable[bytes], None, None]:
        for number in range(10**9):
            if share.owns(number):
                yield [bytes(100_000)]

    found = in_order(work, 3)
    assert len(list(islice(found, 5))) == 5
    found.close()
    assert len(started) == 2
    for pid in started:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def test_a_share_owns_its_own_and_nothing_else() -> None:
    shares = [Share(index, 3) for index in range(3)]
    assert all(sum(share.owns(number) for share in shares) == 1 for number in range(12))
    assert all(WHOLE.owns(number) for number in range(12))
    assert useful_shares() >= 1
