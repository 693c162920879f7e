from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaptools.rules.document import Mark, YamlError, documents, truth


def test_scalars_keep_their_spelling() -> None:
    (document,) = documents("[0755, yes, 1.10, 0x1F, 2020-01-01, 'x y']")
    assert [item.text for item in document.items()] == ["0755", "yes", "1.10", "0x1F", "2020-01-01", "x y"]


def test_the_first_of_two_keys_counts() -> None:
    (document,) = documents("a: 1\nb: 2\na: 3\n")
    value = document.get("a")
    assert value is not None
    assert value.text == "1"
    assert [key.text for key in document.keys()] == ["a", "b", "a"]  # noqa: SIM118 - a node is no dictionary


@pytest.mark.parametrize(
    ("text", "is_null"), [("~", True), ("", True), ("null", True), ("NULL", True), ("nULL", False), ("'null'", False)]
)
def test_nothing_is_recognised(text: str, *, is_null: bool) -> None:
    (document,) = documents(f"a: {text}")
    value = document.get("a")
    assert value is not None
    assert value.is_null is is_null


def test_places_count_from_zero() -> None:
    (document,) = documents("\n- key: value\n")
    (item,) = document.items()
    value = item.get("key")
    assert value is not None
    assert (item.mark, value.mark) == (Mark(1, 2, 3), Mark(1, 7, 8))


@pytest.mark.parametrize(
    ("text", "mark"),
    [("this : is : not : yaml", Mark(0, 10, 10)), ("- a\n- \x01", Mark(1, 2, 6)), ("*x", Mark(0, 0, 0))],
)
def test_what_is_no_yaml(text: str, mark: Mark) -> None:
    with pytest.raises(YamlError) as caught:
        documents(text)
    assert caught.value.mark == mark


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(YamlError):
        documents("[" * 100_000)


@given(st.text(max_size=60))
def test_any_text_is_yaml_or_an_error(text: str) -> None:
    try:
        found = documents(text)
    except YamlError:
        return
    assert all(node.is_scalar or node.is_sequence or node.is_mapping for node in found)


@pytest.mark.parametrize("text", ["y", "Yes", "TRUE", "on"])
def test_true(text: str) -> None:
    assert truth(text) is True


@pytest.mark.parametrize("text", ["n", "No", "FALSE", "off"])
def test_false(text: str) -> None:
    assert truth(text) is False


@pytest.mark.parametrize("text", ["1", "tRue", "", "maybe"])
def test_no_truth(text: str) -> None:
    assert truth(text) is None
