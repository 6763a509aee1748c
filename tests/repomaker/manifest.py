"""The two signed files of a repository: .cvmfspublished and .cvmfswhitelist."""

import os
import time
from typing import Callable, Iterable

from .hashes import SHA1, Algorithm
from .keys import Keys
from .objects import write_file

PUBLISHED = ".cvmfspublished"
WHITELIST = ".cvmfswhitelist"
ROOT_PATH_HASH = "d41d8cd98f00b204e9800998ecf8427e"
FIELD_ORDER = "CBRDSGANXHTMY"


def frame(text: bytes, algorithm: Algorithm, sign: Callable[[bytes], bytes]) -> bytes:
    """A text with its hash and the signature of the hash behind it."""
    digest = algorithm.hash_text(text).encode()
    return text + b"--\n" + digest + b"\n" + sign(digest)


def split_frame(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Text, hash line, signature; ValueError if it has no such form."""
    end = data.index(b"\n--\n") + 1
    digest, _, signature = data[end + 3:].partition(b"\n")
    return data[:end], digest, signature


def read_fields(data: bytes) -> dict[str, str]:
    """The fields of a manifest."""
    lines = split_frame(data)[0].decode().splitlines()
    return {line[0]: line[1:] for line in lines if line}


def manifest_bytes(fields: dict[str, str], keys: Keys, algorithm: Algorithm) -> bytes:
    """A signed manifest; the fields come in the order of the official tools, unknown ones last."""
    names = sorted(fields, key=lambda name: (FIELD_ORDER + name).index(name))
    text = "".join(f"{name}{fields[name]}\n" for name in names).encode()
    return frame(text, algorithm, keys.sign_manifest)


def write_manifest(directory: str, fields: dict[str, str], keys: Keys,
                   algorithm: Algorithm) -> None:
    """Writes the signed manifest of a repository."""
    write_file(os.path.join(directory, PUBLISHED), manifest_bytes(fields, keys, algorithm))


def _stamp(moment: float) -> str:
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(moment))


def whitelist_bytes(fqrn: str, fingerprints: Iterable[str], keys: Keys, expires: float,
                    created: float | None = None, algorithm: Algorithm = SHA1) -> bytes:
    """A signed whitelist; times in Unix seconds (the format counts whole hours of `expires`)."""
    lines = [_stamp(time.time() if created is None else created), "E" + _stamp(expires),
             "N" + fqrn, *fingerprints]
    text = "".join(line + "\n" for line in lines).encode()
    return frame(text, algorithm, keys.sign_whitelist)


def write_whitelist(directory: str, keys: Keys, expires: float,
                    algorithm: Algorithm = SHA1) -> None:
    """Writes the whitelist that allows the certificate of these keys."""
    data = whitelist_bytes(keys.fqrn, [keys.fingerprint(algorithm)], keys, expires,
                           algorithm=algorithm)
    write_file(os.path.join(directory, WHITELIST), data)
