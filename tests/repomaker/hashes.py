"""Hash algorithms of the format and the text form of a hash."""

import hashlib
import struct
from dataclasses import dataclass
from typing import Callable

NULL_HASH = "0" * 40


@dataclass(frozen=True)
class Algorithm:
    """identifier goes behind the hex digits; number is what bits 8-10 of a catalog row hold."""

    name: str
    identifier: str
    number: int
    make: Callable
    length: int | None = None

    def digest(self, data: bytes) -> bytes:
        """The 20 bytes."""
        hasher = self.make(data)
        return hasher.digest(self.length) if self.length else hasher.digest()

    def text(self, digest: bytes) -> str:
        """Hex digits and identifier."""
        return digest.hex() + self.identifier

    def hash_text(self, data: bytes) -> str:
        """text(digest(data))."""
        return self.text(self.digest(data))


ALGORITHMS = {
    algorithm.name: algorithm for algorithm in (
        Algorithm("sha1", "", 0, hashlib.sha1),
        Algorithm("rmd160", "-rmd160", 1, lambda data: hashlib.new("ripemd160", data)),
        Algorithm("shake128", "-shake128", 2, hashlib.shake_128, 20),
    )
}

SHA1 = ALGORITHMS["sha1"]


def algorithm_of(text: str) -> Algorithm:
    """The algorithm that a textual hash is of."""
    for algorithm in ALGORITHMS.values():
        if text[40:] == algorithm.identifier:
            return algorithm
    raise ValueError(f"not a hash: {text!r}")


def digest_of(text: str) -> bytes:
    """The bytes of a textual hash."""
    return bytes.fromhex(text[:40])


def path_hash(path: bytes) -> tuple[int, int]:
    """MD5 of a path in the two signed columns of a catalog (the root is b"")."""
    return struct.unpack("<qq", hashlib.md5(path).digest())
