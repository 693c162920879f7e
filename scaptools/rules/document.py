"""YAML documents as trees of nodes that keep their text and their place.

Scalars stay text whatever they look like; of a key written twice the first one counts. Nodes are wrapped as they are
reached, so aliases cost nothing however often they are used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

_LOADER: type = yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"y", "yes", "true", "on"})
_FALSE = frozenset({"n", "no", "false", "off"})


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a text; all three count from 0, in characters."""

    line: int = 0
    column: int = 0
    offset: int = 0


class YamlError(ValueError):
    """A text that is not YAML, and where."""

    def __init__(self, message: str, mark: Mark) -> None:
        super().__init__(message)
        self.mark = mark


class Node:
    """A scalar, sequence or mapping."""

    __slots__ = ("_raw",)

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    @property
    def mark(self) -> Mark:
        """Where the node starts."""
        start = self._raw.start_mark
        return Mark(start.line, start.column, start.index)

    @property
    def is_scalar(self) -> bool:
        """Whether it is a text, or nothing."""
        return isinstance(self._raw, yaml.ScalarNode)

    @property
    def is_sequence(self) -> bool:
        """Whether it is a list."""
        return isinstance(self._raw, yaml.SequenceNode)

    @property
    def is_mapping(self) -> bool:
        """Whether it has keys."""
        return isinstance(self._raw, yaml.MappingNode)

    @property
    def is_null(self) -> bool:
        """Whether it is nothing: left out, ``~`` or ``null`` without quotes."""
        return self.is_scalar and not self._raw.style and self._raw.value in _NULLS

    @property
    def is_quoted(self) -> bool:
        """Whether it is a scalar that was not written plainly."""
        return self.is_scalar and bool(self._raw.style)

    @property
    def text(self) -> str:
        """The text of a scalar, quotes and folding removed."""
        return str(self._raw.value)

    def items(self) -> Iterator[Node]:
        """The items of a sequence, none for any other node."""
        return map(Node, self._raw.value if self.is_sequence else ())

    def keys(self) -> Iterator[Node]:
        """The keys of a mapping, in order."""
        return (Node(key) for key, _ in (self._raw.value if self.is_mapping else ()))

    def get(self, key: str) -> Node | None:
        """The value of a key of a mapping, None where there is none."""
        if self.is_mapping:
            for name, value in self._raw.value:
                if isinstance(name, yaml.ScalarNode) and name.value == key:
                    return Node(value)
        return None


def documents(text: str) -> list[Node]:
    """The documents of a text. Raises YamlError."""
    try:
        return [Node(node) for node in yaml.compose_all(text, Loader=_LOADER) if node is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Mark() if mark is None else Mark(mark.line, mark.column, mark.index)
        raise YamlError(str(error.problem or error.context), place) from error
    except yaml.reader.ReaderError as error:
        offset = error.position
        line = text.count("\n", 0, offset)
        column = offset - (text.rfind("\n", 0, offset) + 1)
        raise YamlError("a character YAML does not allow", Mark(line, column, offset)) from error
    except yaml.YAMLError as error:
        raise YamlError(str(error), Mark()) from error
    except RecursionError as error:
        raise YamlError("nested too deeply", Mark()) from error


def truth(text: str) -> bool | None:
    """The boolean a scalar stands for, None where it is none: lower, upper or capitalised words only."""
    if text not in {text.lower(), text.upper(), text.lower().capitalize()}:
        return None
    folded = text.lower()
    if folded in _TRUE:
        return True
    return False if folded in _FALSE else None
