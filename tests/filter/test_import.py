"""Start-up: filters on numbers and on columns with few distinct texts never load Arrow."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
import numpy as np
from scap_formats.types import ParamType
from scaptools.columns import Coded, Numbers, Texts
from scaptools.filter import compile_filter

class Names(list):
    null_count = 0
    def to_pylist(self):
        return list(self)

class Handle:
    is_list, flags, ordinal, comparison, presearch = False, frozenset(), 0, None, None
    def __init__(self, name, type_, whole):
        self.name, self.type, self.whole = name, type_, whole
    def column(self, batch, rows):
        return self.whole.take(rows)

class Resolver:
    names = Texts(Names([b"open", b"close", b"x/y"]))
    types = Handle("evt.type", ParamType.CHARBUF, Coded(np.array([0, 1, -1, 2]), names))
    count = Handle("evt.num", ParamType.UINT64, Numbers(np.arange(4, dtype=np.uint64)))
    def resolve(self, name, argument):
        return {"evt.type": self.types, "evt.num": self.count}[name]
    def known_value(self, handle, text):
        return None

def rows(text):
    return compile_filter(text, Resolver()).select(range(4)).tolist()

assert rows("evt.type = open") == [0]
assert rows("evt.type in (open, close) and evt.num > 0") == [1]
assert rows("evt.type glob [oc]* or evt.type pmatch (x) or evt.type icontains LOS") == [0, 1, 3]
assert rows("not evt.type exists and evt.num in (2, 3)") == [2]
loaded = sorted(name for name in sys.modules if name.split(".")[0] in {"pyarrow", "construct"})
assert not loaded, loaded
"""


def test_arrow_is_loaded_only_where_it_is_needed() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, env=None)
    assert done.stderr == ""
    assert done.returncode == 0
