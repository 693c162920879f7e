"""The text of event parameters, whole columns at a time.

`param_text` renders one parameter of many events, `ParamPrinter` finds its declaration and joins all parameters to
lines. What needs the state of the machine is asked of a `ParameterContext`.
"""

from __future__ import annotations

from scaptools.fields.paramtext.arguments import ParamPrinter
from scaptools.fields.paramtext.buffers import buffer_text
from scaptools.fields.paramtext.clock import Clock
from scaptools.fields.paramtext.context import STATELESS, ParameterContext, StatelessContext, TextColumn
from scaptools.fields.paramtext.renderers import RENDERERS, best_text, param_text
from scaptools.fields.paramtext.style import CLASSIC, CURRENT, DEFAULT_STYLE, BufferMode, Dialect, TextStyle, TimeStyle
from scaptools.fields.paramtext.values import ParamText, ParamValues
from scaptools.fields.paramtext.weave import Piece, Weave

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
