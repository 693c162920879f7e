"""The field registry: every field by name, and how names with arguments are resolved."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from scaptools.errors import FormatError, PluginError, UnknownFieldError
from scaptools.fields.model import BoundField, Field

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: A dotted name, then possibly a bracket with a quoted or bare argument.
_WRITTEN = re.compile(
    r"""(?P<name>[A-Za-z][\w]*(?:\.[\w-]+)*)
        (?P<bracket>\[(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\]\s]*))\])?""",
    re.VERBOSE | re.ASCII,
)


class FieldRegistry:
    """Fields by name; later ones may not take an earlier one's name."""

    def __init__(self, fields: Iterable[Field] = ()) -> None:
        self._fields: dict[str, Field] = {}
        for declaration in fields:
            self.add(declaration)

    def add(self, declaration: Field) -> None:
        """Register a field. Raises PluginError where another one has its name."""
        other = self._fields.get(declaration.name)
        if other is not None:
            raise PluginError(f"declares field {declaration.name}, which {other.source} has", plugin=declaration.source)
        self._fields[declaration.name] = declaration

    def __iter__(self) -> Iterator[Field]:
        return iter(self._fields.values())

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    def resolve(self, name: str, argument: str | None = None) -> BoundField:
        """Bind a dotted name and a bracket argument; a dotted suffix may be the argument of a shorter name.

        Raises UnknownFieldError, and FormatError where the argument is missing, superfluous or cannot be one.
        """
        declaration = self._fields.get(name)
        written = name if argument is None else f"{name}[{argument}]"
        if declaration is None and argument is None:
            declaration, argument = self._split_suffix(name)
        if declaration is None:
            raise UnknownFieldError(written, suggestions=self.nearest(name))
        return _bind(declaration, argument, written)

    def _split_suffix(self, name: str) -> tuple[Field | None, str | None]:
        head = name
        while "." in head:
            head = head.rpartition(".")[0]
            declaration = self._fields.get(head)
            if declaration is not None and declaration.argument is not None and declaration.argument.suffix:
                return declaration, name[len(head) + 1 :]
        return None, None

    def match(self, text: str, position: int) -> tuple[BoundField, int] | None:
        """The longest field that ``text`` has at ``position``, and where it ends; None where there is none.

        Raises FormatError where a field is there with an argument that cannot be one.
        """
        written = _WRITTEN.match(text, position)
        if written is None:
            return None
        name, bracket = written["name"], written["bracket"]
        argument = next((written[group] for group in ("double", "single", "bare") if written[group] is not None), None)
        declaration = self._fields.get(name)
        if bracket is not None and declaration is not None and declaration.argument is not None:
            return self.resolve(name, argument), written.end()
        refused: FormatError | None = None
        for end in range(len(name), 0, -1):
            if name[:end] in self._fields or self._split_suffix(name[:end])[0] is not None:
                try:
                    return self.resolve(name[:end]), position + end
                except FormatError as error:
                    refused = refused or error
        if refused is not None:
            raise refused
        return None

    def nearest(self, name: str) -> tuple[str, ...]:
        """Up to three field names that look like ``name``."""
        return tuple(difflib.get_close_matches(name, self._fields, n=3, cutoff=0.7))


def _bind(declaration: Field, argument: str | None, written: str) -> BoundField:
    rule = declaration.argument
    if argument is not None and rule is None:
        raise FormatError(f"field {declaration.name} takes no argument, but {written} gives one")
    if argument is None and rule is not None and rule.required:
        raise FormatError(f"field {declaration.name} needs an argument", hint=f"write {declaration.name}{rule.form}")
    parsed = rule.parse(argument) if rule is not None and argument is not None else None
    if declaration.memory is not None:
        parsed = declaration.memory()
    type_, format_ = declaration.type, declaration.format
    if declaration.argument_type is not None:
        type_, format_ = declaration.argument_type(parsed)
    return BoundField(written, declaration, parsed, type_, format_)
