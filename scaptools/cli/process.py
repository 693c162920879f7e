"""What a process of this command does without, so that a short run stays short; a library must not decide this."""

from __future__ import annotations

import gc
import inspect
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

#: Objects made before a garbage collection: importing makes so many, and hardly any garbage.
_COLLECTION_THRESHOLD = 50_000
#: How long a thread may keep others from running Python; those that decode, scan and filter hand over all the time.
_SWITCH_SECONDS = 0.0002
#: Modules that have no use for pandas here, and the machinery of imports, which asks for others.
_WITHOUT_PANDAS = ("scaptools", "scap_formats", "pyarrow")
_MACHINERY = ("importlib", "_frozen_importlib", __name__)


class PandasForPlugins:
    """Hides pandas from Arrow, which imports it when it makes its first array, in more time than most commands take.

    Arrow asks again where somebody wants a data frame, and others who import pandas, such as plugins, get it.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Nothing, which leaves the search to others. Raises ModuleNotFoundError where pandas is to stay hidden."""
        if fullname == "pandas" and _asking().startswith(_WITHOUT_PANDAS):
            raise ModuleNotFoundError("pandas is not used here", name=fullname)
        return None


def _asking() -> str:
    """The name of the module whose code is importing."""
    frame = inspect.currentframe()
    while frame is not None:
        name = str(frame.f_globals.get("__name__"))
        if not name.startswith(_MACHINERY):
            return name
        frame = frame.f_back
    return ""


def prepare_process() -> None:
    """Make this process one of the command's."""
    gc.set_threshold(_COLLECTION_THRESHOLD)
    sys.setswitchinterval(_SWITCH_SECONDS)
    # Nothing here does linear algebra, whose threads numpy would start.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.meta_path.insert(0, PandasForPlugins())
