"""Memory that processes share, and memory of a plugin that cannot be read."""

from __future__ import annotations

import os


class UnreadableError(Exception):
    """A piece lies where nothing can be read; ``piece`` is its number."""

    def __init__(self, piece: int) -> None:
        super().__init__(f"piece {piece} cannot be read")
        self.piece = piece


def memory_file(name: str) -> int:
    """A descriptor of a file that lies in memory and has no name others could find it by."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create(name)
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
