"""Predicates on texts: the form for one value and the form for arrays say the same."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaptools.columns import Coded, Lists, Numbers, Texts
from scaptools.filter.addresses import InNetworks, Network, OutsideNetwork
from scaptools.filter.compare import RELATIONS, NumberSet, TextRelation, TextSet, matches
from scaptools.filter.texts import Contains, ContainsFolded, EndsWith, GlobMatch, PathPrefixes, RegexMatch, StartsWith

if TYPE_CHECKING:
    from scaptools.filter.compare import TextPredicate

contents = st.binary(max_size=6) | st.text("abAB/.*é", max_size=6).map(str.encode)
constants = st.binary(max_size=3) | st.text("abAB/.é", max_size=3).map(str.encode)
globs = st.text("abAB/.*?[]!-", max_size=6).map(str.encode)
packed = st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16)
networks = st.one_of(
    st.builds(Network, st.binary(min_size=4, max_size=4), st.integers(0, 32)),
    st.builds(Network, st.binary(min_size=16, max_size=16), st.integers(1, 128)),
)
predicates = st.one_of(
    st.builds(TextRelation, st.sampled_from(list(RELATIONS.values())), constants),
    st.builds(TextSet, st.lists(constants, max_size=4).map(tuple)),
    *(st.builds(kind, constants) for kind in (Contains, ContainsFolded, StartsWith, EndsWith)),
    st.builds(GlobMatch, globs, folded=st.booleans()),
    st.builds(PathPrefixes, st.lists(constants | globs, max_size=4).map(tuple)),
    st.builds(InNetworks, st.lists(networks, max_size=3).map(tuple)),
    st.builds(OutsideNetwork, networks),
    st.sampled_from([RegexMatch(b"[ab]*"), RegexMatch(b"a.")]),
)


@settings(max_examples=300, deadline=None)
@given(
    predicates,
    st.lists(st.none() | contents | packed, max_size=8),
    st.sampled_from([pa.binary(), pa.large_binary()]),
    st.integers(0, 2),
)
def test_both_forms_agree(
    predicate: TextPredicate, values: list[bytes | None], type_: pa.DataType, skipped: int
) -> None:
    array = pa.array(values, type_)[skipped:]
    expected = [value is not None and predicate.one(value) for value in values[skipped:]]
    assert predicate.many(array).tolist() == expected
    assert predicate.holds(Texts(array), few=True).tolist() == expected


@settings(deadline=None)
@given(networks, packed)
def test_networks(network: Network, address: bytes) -> None:
    reference = ipaddress.ip_network((network.address, network.bits), strict=False)
    assert (address in network) == (ipaddress.ip_address(address) in reference)


@pytest.mark.parametrize(
    ("constants_", "value", "expected"),
    [
        ((b"/etc",), b"/etc/x", True),
        ((b"/etc",), b"/etcx", False),
        ((b"etc//x/",), b"//etc/x/y", True),
        ((b"/etc/x",), b"/etc", False),
        ((b"/*/x",), b"/etc/x/y", True),
        ((b"/*",), b"/", False),
        ((b"/e*c",), b"/e/c", False),
        ((b"/[a]",), b"/[a]/b", True),
        ((b"/[!b]c",), b"/a/c", False),
        ((b"",), b"", True),
        ((b"/",), b"", True),
        ((), b"/etc", False),
        ((b"/usr", b"/etc"), b"/etc", True),
    ],
)
def test_path_prefixes(constants_: tuple[bytes, ...], value: bytes, expected: bool) -> None:
    predicate = PathPrefixes(constants_)
    assert predicate.one(value) is expected
    assert predicate.many(pa.array([value])).tolist() == [expected]


def test_thousands_of_path_prefixes() -> None:
    predicate = PathPrefixes(tuple(f"/usr/share/doc/package{number}/x".encode() for number in range(5000)))
    values = [b"/usr/share/doc/package4999/x/y", b"/usr/share/doc/package5000/x", b"/usr/share/doc/package0/x"]
    assert predicate.many(pa.array(values)).tolist() == [True, False, True]
    assert [predicate.one(value) for value in values] == [True, False, True]


def test_folding_is_ascii_only() -> None:
    array = pa.array(["É".encode(), "é".encode(), b"\xc9", b"K", b"k"])
    assert ContainsFolded("é".encode()).many(array).tolist() == [False, True, False, False, False]
    assert ContainsFolded(b"\xe9").many(array).tolist() == [False, False, False, False, False]
    assert ContainsFolded(b"K").many(array).tolist() == [False, False, False, True, True]


def test_columns_of_the_wrong_form_are_a_fault_of_the_program() -> None:
    numbers = Numbers(RELATIONS["="].numeric.outer([1, 2], [1]).ravel())
    with pytest.raises(TypeError, match="a text comparison met a column of numbers"):
        matches(Contains(b"x"), numbers)
    with pytest.raises(TypeError, match="a numeric comparison met a column of texts"):
        matches(NumberSet((1,)), Texts.of([b"x"]))


def test_elements_of_lists() -> None:
    lists = Lists(np.array([0, 2, 2, 3, 4]), Texts.of([b"a", b"b", b"a", None]), np.array([True, True, True, False]))
    assert matches(TextSet((b"a",)), lists).tolist() == [True, False, True, False]
    assert matches(TextSet((b"a",)), lists, every=True).tolist() == [False, True, True, False]
    assert matches(TextSet(()), Coded(np.array([0, -1]), Texts.of([]))).tolist() == [False, False]
