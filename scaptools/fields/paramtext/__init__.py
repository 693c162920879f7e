"""The text of event parameters, whole columns at a time.

`param_text` renders one parameter of many events, `ParamPrinter` finds its declaration and joins all parameters to
lines. What needs the state of the machine is asked of a `ParameterContext`. Names are imported when they are first
used, because many filters look at no parameter.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaptools.fields.paramtext.arguments import ParamPrinter
    from scaptools.fields.paramtext.buffers import buffer_text
    from scaptools.fields.paramtext.clock import Clock
    from scaptools.fields.paramtext.context import STATELESS, ParameterContext, StatelessContext, TextColumn
    from scaptools.fields.paramtext.renderers import RENDERERS, best_text, param_text
    from scaptools.fields.paramtext.style import (
        CLASSIC,
        CURRENT,
        DEFAULT_STYLE,
        BufferMode,
        Dialect,
        TextStyle,
        TimeStyle,
    )
    from scaptools.fields.paramtext.values import ParamText, ParamValues
    from scaptools.fields.paramtext.weave import Piece, Weave

#: Public name -> the module of this package that has it.
_HOMES = {
    "BufferMode": "style",
    "CLASSIC": "style",
    "CURRENT": "style",
    "Clock": "clock",
    "DEFAULT_STYLE": "style",
    "Dialect": "style",
    "ParamPrinter": "arguments",
    "ParamText": "values",
    "ParamValues": "values",
    "ParameterContext": "context",
    "Piece": "weave",
    "RENDERERS": "renderers",
    "STATELESS": "context",
    "StatelessContext": "context",
    "TextColumn": "context",
    "TextStyle": "style",
    "TimeStyle": "style",
    "Weave": "weave",
    "best_text": "renderers",
    "buffer_text": "buffers",
    "param_text": "renderers",
}

__all__ = [
    "CLASSIC",
    "CURRENT",
    "DEFAULT_STYLE",
    "RENDERERS",
    "STATELESS",
    "BufferMode",
    "Clock",
    "Dialect",
    "ParamPrinter",
    "ParamText",
    "ParamValues",
    "ParameterContext",
    "Piece",
    "StatelessContext",
    "TextColumn",
    "TextStyle",
    "TimeStyle",
    "Weave",
    "best_text",
    "buffer_text",
    "param_text",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
