"""Cutting a file into chunks.

Cut marks depend on the content, so that an insertion moves only the chunks around it: a chunk ends
behind the first place after `minimum` bytes where a byte pattern occurs whose density in random
data gives chunks of `average` bytes, at the latest after `maximum`. (Readers accept any cut.)
"""

import re
from dataclasses import dataclass
from typing import BinaryIO, Iterator

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True)
class ChunkSize:
    """Limits in bytes. Files of at most `minimum` bytes stay whole."""

    minimum: int
    average: int
    maximum: int

    def cut(self, stream: BinaryIO) -> Iterator[bytes]:
        """The chunks of a stream, in order."""
        pattern = self._pattern()
        buffer = stream.read(self.maximum)
        while buffer:
            length = self._first_length(buffer, pattern)
            yield buffer[:length]
            buffer = buffer[length:] + stream.read(length)

    def _first_length(self, buffer: bytes, pattern: re.Pattern | None) -> int:
        """Length of the chunk at the beginning of at most `maximum` bytes."""
        if len(buffer) <= self.minimum:
            return len(buffer)
        match = pattern.search(buffer, self.minimum) if pattern else None
        return match.end() if match else len(buffer)

    def _pattern(self) -> re.Pattern | None:
        """Two or three bytes, of which one may have several values; None for fixed chunks."""
        distance = self.average - self.minimum
        if distance <= 0 or self.average >= self.maximum:
            return None
        fixed = b"" if distance < 1 << 8 else b"Z" if distance < 1 << 16 else b"ZY"
        values = max(1, min(256, (1 << 8 * (len(fixed) + 1)) // distance))
        return re.compile(b"[\\x00-\\x%02x]" % (values - 1) + fixed, re.DOTALL)


DEFAULT = ChunkSize(4 << 20, 8 << 20, 16 << 20)


def parse_size(text: str) -> int:
    """A number of bytes with an optional K, M or G (powers of 1024)."""
    match = re.fullmatch(r"(\d+)([KMG]?)(?:i?B)?", text.strip())
    if not match:
        raise ValueError(f"not a size: {text!r}")
    return int(match[1]) * _UNITS[match[2]]


def parse_chunk_size(text: str) -> ChunkSize | None:
    """"off", "SIZE" (fixed) or "MINIMUM/AVERAGE/MAXIMUM"."""
    if text == "off":
        return None
    sizes = [parse_size(part) for part in text.split("/")]
    if len(sizes) == 1:
        sizes *= 3
    if len(sizes) != 3 or sizes != sorted(sizes) or sizes[0] < 1:
        raise ValueError(f"not a chunk size: {text!r}")
    return ChunkSize(*sizes)
