"""Comparisons of one field with another, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scaptools.columns import Coded, Column, Lists, Numbers, Texts
from scaptools.filter.arrow import kernels, mask_of
from scaptools.filter.compare import RELATIONS, TextPredicate
from scaptools.filter.operators import OPERATORS

if TYPE_CHECKING:
    from scaptools.columns import Mask
    from scaptools.filter.kinds import Kind

#: Operators on lists, between two single values.
_SINGLE = {"in": "=", "intersects": "="}


def compare_columns(operator: str, kind: Kind, left: Column, right: Column) -> Mask:
    """Where ``left operator right`` holds, shape ``(n,)``; False where either is missing.

    Between lists, ``in`` asks whether every element of the left is in the right, ``intersects`` whether any is.
    """
    if isinstance(left, Lists) and isinstance(right, Lists):
        return _compare_lists(operator, left, right)
    name = _SINGLE.get(operator, operator)
    if name not in RELATIONS:
        return _compare_distinct(name, kind, left, right)
    left, right = _expanded(left), _expanded(right)
    relation = RELATIONS[name]
    if isinstance(left, Numbers) and isinstance(right, Numbers):
        return np.asarray(relation.numeric(left.values, right.values) & left.validity() & right.validity())
    first, second = left.to_arrow(), right.to_arrow()
    return mask_of(getattr(kernels(), relation.kernel)(first, second.cast(first.type)))


def _compare_distinct(operator: str, kind: Kind, left: Column, right: Column) -> Mask:
    """Ask each distinct pair of values once, each distinct right side being made a predicate."""
    first, first_values = _encoded(left)
    second, second_values = _encoded(right)
    mask = (first >= 0) & (second >= 0)
    rows = np.flatnonzero(mask)
    pairs, inverse = np.unique(
        first[rows].astype(np.int64) * max(len(second_values), 1) + second[rows], return_inverse=True
    )
    make = OPERATORS[operator].predicates[kind]
    predicates: dict[int, TextPredicate] = {}
    answers = np.zeros(len(pairs), bool)
    for at, pair in enumerate(pairs.tolist()):
        one, other = divmod(pair, len(second_values))
        if other not in predicates:
            predicates[other] = _text_predicate(make(second_values[other]))
        answers[at] = predicates[other].one(first_values[one])
    mask[rows] = answers[inverse]
    return np.asarray(mask)


def _compare_lists(operator: str, left: Lists, right: Lists) -> Mask:
    pairs = zip(left.to_arrow().to_pylist(), right.to_arrow().to_pylist(), strict=True)
    test = set.issubset if operator == "in" else lambda one, other: not set.isdisjoint(one, other)
    answers = (one is not None and other is not None and test(set(one), set(other)) for one, other in pairs)
    return np.fromiter(answers, bool, len(left))


def _text_predicate(predicate: Any) -> TextPredicate:
    if not isinstance(predicate, TextPredicate):
        raise TypeError("a comparison of texts met numbers")
    return predicate


def _expanded(column: Column) -> Numbers | Texts:
    if isinstance(column, Lists):
        raise TypeError("a list met a single value")
    return column.expand() if isinstance(column, Coded) else column


def _encoded(column: Column) -> tuple[Any, list[bytes]]:
    """Codes, negative where missing, and the values they stand for."""
    if isinstance(column, Coded):
        values = column.values.to_arrow().to_pylist()
        present = np.fromiter((value is not None for value in values), bool, len(values))
        codes = np.where(np.append(present, False)[column.codes], column.codes, -1)
        return codes, values
    encoded = _expanded(column).to_arrow().dictionary_encode()
    return encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), encoded.dictionary.to_pylist()
