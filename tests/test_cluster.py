from __future__ import annotations

import pytest

from scaptools.cluster import Part, open_cluster, parts_of
from scaptools.errors import ExportError


def test_work_is_split_by_capture_then_by_batch() -> None:
    assert [part.name for part in parts_of(["a/x y.scap", "b"], 2)] == ["00000-x_y.scap-0000", "00001-b-0000"]
    assert parts_of(["s3://c/d.scap"], 3) == [
        Part("s3://c/d.scap", index, 3, f"00000-d.scap-{index:04}") for index in range(3)
    ]
    assert [(part.capture, part.index, part.count) for part in parts_of(["a", "b"], 3)] == [
        *(("a", 0, 2), ("a", 1, 2), ("b", 0, 2), ("b", 1, 2)),
    ]


def test_what_counts_events_is_not_split() -> None:
    assert [part.count for part in parts_of(["a"], 4, divisible=False)] == [1]


def test_places_of_parts_follow_each_other() -> None:
    batchwise = [Part("a", index, 2, "n") for index in (0, 1)]
    assert batchwise[0].place(4) < batchwise[1].place(5) < batchwise[0].place(6)
    ranges = [Part("a", index, 2, "n", (1, 9)) for index in (0, 1)]
    assert ranges[0].place(1000) < ranges[1].place(0)


def test_a_cluster_that_is_not_there_is_an_error() -> None:
    pytest.importorskip("distributed")
    with pytest.raises(ExportError, match="no cluster answers"), open_cluster("nonsense://x"):
        pass
