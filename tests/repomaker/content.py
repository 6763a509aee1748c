"""Where the bytes of a file come from.

A content is a small tuple that crosses process borders cheaply: ("file", path), ("bytes", data),
("random", seed, size), ("text", seed, size), ("zeros", size). The last three are made when they
are read, so that a repository of any size needs no source on disk; the same seed gives the same
bytes everywhere.
"""

import io
import os
import random
from typing import BinaryIO

Content = tuple

_BLOCK = 1 << 20
# 256 byte values to 64 characters: deflate makes three quarters of it.
_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 \n"
_TEXT = bytes(_LETTERS[value % 64] for value in range(256))


class _Generated(io.RawIOBase):
    """A stream of blocks, each made from the seed and its number."""

    def __init__(self, kind: str, seed: object, size: int):
        super().__init__()
        self._kind = kind
        self._seed = seed
        self._left = size
        self._number = 0
        self._block = b""

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Exactly size bytes, fewer only at the end."""
        size = self._left if size < 0 else min(size, self._left)
        parts = []
        missing = size
        while missing:
            if not self._block:
                self._block = self._make_block()
            part, self._block = self._block[:missing], self._block[missing:]
            parts.append(part)
            missing -= len(part)
        self._left -= size
        return b"".join(parts)

    def _make_block(self) -> bytes:
        length = min(_BLOCK, self._left)
        number, self._number = self._number, self._number + 1
        if self._kind == "zeros":
            return bytes(length)
        data = random.Random(f"{self._seed}/{number}").randbytes(length)
        return data.translate(_TEXT) if self._kind == "text" else data


def open_content(content: Content) -> BinaryIO:
    """A stream of the bytes; read(n) gives fewer than n only at the end."""
    kind = content[0]
    if kind == "file":
        return open(content[1], "rb")
    if kind == "bytes":
        return io.BytesIO(content[1])
    if kind == "zeros":
        return _Generated(kind, None, content[1])
    if kind in ("random", "text"):
        return _Generated(kind, content[1], content[2])
    raise ValueError(f"no such kind of content: {kind}")


def content_size(content: Content) -> int:
    """How many bytes there will be."""
    if content[0] == "file":
        return os.stat(content[1]).st_size
    if content[0] == "bytes":
        return len(content[1])
    return content[-1]
