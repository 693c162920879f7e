"""The JSON plugin: values of JSON payloads, whatever source they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scap_formats.types import ParamType
from scaptools.columns import Texts
from scaptools.errors import PluginError
from scaptools.plugins.contract import ArgumentRule, ExtractorPlugin, Payloads, PluginField, PluginInfo
from scaptools.plugins.json.pointer import parse_pointer
from scaptools.plugins.jsontext import Documents, indented
from scaptools.plugins.jsontext.marks import in_value
from scaptools.plugins.jsontext.texts import cut_at_nul, replaced, truths

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from scaptools.columns import Column, Mask
    from scaptools.plugins.contract import Marks

_NAME: Final = "json"


@dataclass(frozen=True, slots=True)
class JsonPayloads:
    """Payloads as documents, with the times of their events."""

    documents: Documents
    timestamps: NDArray[Any]

    def readable(self) -> Mask:
        """Which payloads begin with an object or a list and parse."""
        return self.documents.root.present & np.isin(self.documents.first_bytes(), list(b"{["))


def _value(payloads: JsonPayloads, argument: str) -> pa.Array:
    documents = payloads.documents
    return documents.printed(documents.path(*parse_pointer(argument)).where(payloads.readable()))


def _document(payloads: JsonPayloads, _: str) -> pa.Array:
    rows = np.flatnonzero(payloads.readable())
    texts = [indented(payloads.documents.source(int(row))) for row in rows]
    return replaced(pa.nulls(len(payloads.documents), payloads.documents.text_type), rows, texts)


def _time(payloads: JsonPayloads, _: str) -> pa.Array:
    digits = pc.cast(pc.cast(pa.array(payloads.timestamps.astype(np.uint64)), pa.string()), pa.binary())
    return pc.if_else(truths(payloads.readable()), digits, pa.scalar(None, pa.binary()))


#: Field name without its first part, argument, how it is computed, what it means, and its marks.
_FIELDS: Final[tuple[tuple[str, ArgumentRule, Callable[[JsonPayloads, str], pa.Array], str, Marks | None], ...]] = (
    (
        "value",
        ArgumentRule.REQUIRED_KEY,
        _value,
        "Value a JSON pointer leads to: a string as its text, anything else as JSON",
        in_value,
    ),
    ("obj", ArgumentRule.NONE, _document, "The whole document, indented", None),
    ("rawtime", ArgumentRule.NONE, _time, "Time of the event in nanoseconds since the epoch", None),
)
#: The second is the name these fields had before there were plugins.
_PREFIXES: Final = ("json", "jevt")
_RULES: Final = {f"{prefix}.{name}": (argument, rule) for prefix in _PREFIXES for name, argument, rule, *_ in _FIELDS}


class JsonPlugin(ExtractorPlugin):
    """Fields of JSON payloads of any source, with the results of the plugin of that name in version 0.7.4."""

    info: ClassVar[PluginInfo] = PluginInfo(
        name=_NAME,
        version="0.7.4",
        description="Extracts values from JSON payloads of any source",
        contact="github.com/falcosecurity/plugins/",
    )
    config_schema: ClassVar[dict[str, Any] | None] = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "type": "object",
        "properties": {
            "useAsync": {
                "type": "boolean",
                "default": True,
                "description": "Accepted for compatibility, without effect",
            }
        },
        "additionalProperties": True,
    }
    fields: ClassVar[tuple[PluginField, ...]] = tuple(
        PluginField(f"{prefix}.{name}", ParamType.CHARBUF, about, argument, marks=marks)
        for prefix in _PREFIXES
        for name, argument, _, about, marks in _FIELDS
    )

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        """Raises PluginError where ``useAsync`` is neither true, false nor null."""
        super().__init__(config)
        if not isinstance(self.config.get("useAsync"), bool | None):
            raise PluginError("init config: useAsync must be of type boolean", plugin=_NAME)

    def prepare(self, payloads: Payloads) -> JsonPayloads:
        """The documents; they are parsed when the first field is asked for, once for all fields."""
        return JsonPayloads(Documents.of(payloads.data), payloads.timestamps)

    def extract(self, prepared: JsonPayloads, name: str, argument: str | None) -> Column:
        """The column of one field. Raises PluginError for a field that is not declared or a missing argument."""
        known = _RULES.get(name)
        if known is None:
            raise PluginError(f"there is no field {name}", plugin=_NAME)
        takes, rule = known
        if takes.required != (argument is not None):
            raise PluginError(f"{name} {'needs a' if takes.required else 'takes no'} argument", plugin=_NAME)
        return Texts(cut_at_nul(rule(prepared, argument or "")))
