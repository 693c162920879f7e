"""Issues: what is wrong or doubtful in rules files, under the codes Falco uses, with the way to the place.

A `Context` leads from the file down to the spot: rules content, rule, condition, expression. Lines, columns and
offsets count from 0, as Falco counts them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from scaptools.rules.document import Mark

if TYPE_CHECKING:
    from scaptools.filter.ast import Position
    from scaptools.rules.document import Node

_NAME_WIDTH = 20
_SNIPPET_WIDTH = 160
_ELLIPSIS = "..."


class Code(Enum):
    """The codes of errors and warnings; the values describe them in a few words."""

    LOAD_ERR_FILE_READ = "File read error"
    LOAD_ERR_YAML_PARSE = "YAML parse error"
    LOAD_ERR_YAML_VALIDATE = "Error validating internal structure of YAML file"
    LOAD_ERR_COMPILE_CONDITION = "Error compiling condition"
    LOAD_ERR_COMPILE_OUTPUT = "Error compiling output"
    LOAD_ERR_VALIDATE = "Error validating rule/macro/list/exception objects"
    LOAD_ERR_EXTENSION = "Error in extension item"
    LOAD_UNKNOWN_SOURCE = "Unknown event source"
    LOAD_UNSAFE_NA_CHECK = "Unsafe <NA> comparison in condition"
    LOAD_NO_EVTTYPE = "Condition has no event-type restriction"
    LOAD_UNKNOWN_FILTER = "Unknown field or event-type in condition or output"
    LOAD_UNUSED_MACRO = "Unused macro"
    LOAD_UNUSED_LIST = "Unused list"
    LOAD_UNKNOWN_ITEM = "Unknown rules file item"
    LOAD_DEPRECATED_ITEM = "Used deprecated item"
    LOAD_WARNING_EXTENSION = "Warning in extension item"
    LOAD_APPEND_NO_VALUES = "Overriding/appending with no values"
    LOAD_EXCEPTION_NAME_NOT_UNIQUE = "Multiple exceptions with the same name"
    LOAD_INVALID_MACRO_NAME = "Invalid macro name"
    LOAD_INVALID_LIST_NAME = "Invalid list name"
    LOAD_COMPILE_CONDITION = "Condition has a warning"
    LOAD_UNKNOWN_KEY = "Unknown key"

    @property
    def is_error(self) -> bool:
        """Whether it ends the loading of a file."""
        return self.name.startswith("LOAD_ERR_")


class ItemType(Enum):
    """What a location is the place of."""

    VALUE_FOR = "value for"
    EXCEPTIONS = "exceptions"
    EXCEPTION = "exception"
    EXCEPTION_VALUES = "exception values"
    EXCEPTION_VALUE = "exception value"
    RULES_CONTENT = "rules content"
    RULES_CONTENT_ITEM = "rules content item"
    REQUIRED_ENGINE_VERSION = "required_engine_version"
    REQUIRED_PLUGIN_VERSIONS = "required plugin versions"
    REQUIRED_PLUGIN_VERSIONS_ENTRY = "required plugin versions entry"
    REQUIRED_PLUGIN_VERSIONS_ALTERNATIVE = "required plugin versions alternative"
    LIST = "list"
    LIST_ITEM = "list item"
    MACRO = "macro"
    MACRO_CONDITION = "macro condition"
    RULE = "rule"
    RULE_CONDITION = "rule condition"
    CONDITION_EXPRESSION = "condition expression"
    RULE_OUTPUT = "rule output"
    RULE_OUTPUT_EXPRESSION = "rule output expression"
    RULE_PRIORITY = "rule priority"
    OVERRIDE = "overrides"
    EXTENSION_ITEM = "extension item"


@dataclass(frozen=True, slots=True)
class Location:
    """A place: what stands there and what it is called, in which file or text, and where in it."""

    item_type: ItemType
    item_name: str
    file: str
    mark: Mark

    def __str__(self) -> str:
        name = f" '{self.item_name}'" if self.item_name else ""
        return f"{self.item_type.value}{name}: ({self.file}:{self.mark.line}:{self.mark.column})"


@dataclass(frozen=True, slots=True)
class Context:
    """The way from a file to a place in it, outermost first.

    ``content`` is the text the last location's offset counts in: the file, or the condition it lies in.
    """

    locations: tuple[Location, ...]
    content: str = field(repr=False)
    #: Offset in ``content`` of the place itself, where the last location's counts from somewhere else.
    place: int | None = None

    @staticmethod
    def of_file(name: str, content: str) -> Context:
        """The beginning of a file."""
        return Context((Location(ItemType.RULES_CONTENT, "", name, Mark()),), content)

    @property
    def last(self) -> Location:
        """The innermost location."""
        return self.locations[-1]

    @property
    def file(self) -> str:
        """The name of the file."""
        return self.locations[0].file

    @property
    def file_mark(self) -> Mark:
        """The innermost place that lies in the file itself."""
        return next(place.mark for place in reversed(self.locations) if place.file == self.file)

    @property
    def item(self) -> tuple[str, str]:
        """Type and name of the rule, macro or list the place belongs to, both empty elsewhere."""
        kinds = (ItemType.RULE, ItemType.MACRO, ItemType.LIST)
        for place in self.locations:
            if place.item_type in kinds:
                return place.item_type.value, place.item_name
        return "", ""

    def at(self, node: Node | Mark, item_type: ItemType, name: str = "") -> Context:
        """The way on to a node of the file."""
        mark = node if isinstance(node, Mark) else node.mark
        return Context((*self.locations, Location(item_type, name, self.file, mark)), self.content)

    def in_condition(self, condition: str, position: Position) -> Context:
        """The way on to a place in a condition, which is this context's last node."""
        start = condition.strip()
        start = start if len(start) <= _NAME_WIDTH else start[: _NAME_WIDTH - len(_ELLIPSIS)] + _ELLIPSIS
        outer = self.last.mark
        mark = Mark(outer.line + position.line, outer.column + position.column, outer.offset + position.index)
        name = f'"{start}"'.replace("\n", " ")
        location = Location(ItemType.CONDITION_EXPRESSION, "", name, mark)
        return Context((*self.locations, location), condition, position.index)

    def below(self, outer: Context) -> Context:
        """The same place, reached by way of another one: a fault in a macro, by way of the rule that uses it."""
        return Context((*outer.locations, *self.locations[1:]), self.content, self.place)

    def snippet(self, *, exact: bool = True) -> str:
        """The line of the place with a caret below it.

        Falco's caret below a condition counts from the start of the file and stops at the condition's last character;
        ``exact`` puts it where the fault is.
        """
        if not self.content:
            return ""
        place = self.place if exact and self.place is not None else self.last.mark.offset
        place = min(place, len(self.content) - 1)
        start = self.content.rfind("\n", 0, place) + 1
        end = self.content.find("\n", place)
        line = self.content[start : len(self.content) if end < 0 else end]
        caret = place - start
        if len(line) > _SNIPPET_WIDTH:
            first = min(max(0, caret - _SNIPPET_WIDTH // 2), len(line) - _SNIPPET_WIDTH)
            line, caret = line[first : first + _SNIPPET_WIDTH], caret - first
        return f"{line}\n{' ' * caret}^\n"


@dataclass(frozen=True, slots=True)
class Issue:
    """One error or warning; ``hint`` says how to go on."""

    code: Code
    message: str
    context: Context
    hint: str | None = None

    def falco_text(self) -> str:
        """The block Falco's validation prints."""
        first, *rest = self.context.locations
        lines = [f"In {first}", *(f"    {location}" for location in rest)]
        return "\n".join([*lines, "------", self.context.snippet(exact=False) + "------", str(self), ""])

    def __str__(self) -> str:
        return f"{self.code.name} ({self.code.value}): {self.message}"

    def to_json(self) -> dict[str, Any]:
        """The object Falco's validation prints as JSON."""
        return {
            "code": self.code.name,
            "codedesc": self.code.value,
            "context": {
                "locations": [_location_json(location) for location in self.context.locations],
                "snippet": self.context.snippet(exact=False),
            },
            "message": self.message,
        }


class LoadFailureError(Exception):
    """Ends the loading of a file; carried up to the loader, which notes the issue."""

    def __init__(self, issue: Issue) -> None:
        super().__init__(str(issue))
        self.issue = issue


def fail(code: Code, message: str, context: Context, hint: str | None = None) -> LoadFailureError:
    """The exception for an error, to be raised by the caller."""
    return LoadFailureError(Issue(code, message, context, hint))


def _location_json(location: Location) -> dict[str, Any]:
    mark = location.mark
    return {
        "item_name": location.item_name,
        "item_type": location.item_type.value,
        "position": {
            "column": mark.column,
            "line": mark.line,
            "name": location.file,
            "offset": mark.offset,
        },
    }
