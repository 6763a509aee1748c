"""Content-addressed objects on disk, and storing the contents of many files in several processes.
"""

import hashlib
import multiprocessing
import os
import threading
import zlib
from typing import Iterable, Iterator

from .content import Content, open_content
from .entries import Chunk, Entry
from .hashes import ALGORITHMS, Algorithm


def compress(data: bytes, compression: str) -> bytes:
    """The form in which bytes are stored and transferred."""
    return zlib.compress(data) if compression == "zlib" else data


def object_path(directory: str, text: str, suffix: str = "") -> str:
    """Path of the object with a textual hash, below the directory of the repository."""
    return os.path.join(directory, "data", text[:2], text[2:] + suffix)


class ObjectStore:
    """The data/ folder of a repository. Objects that are there already are kept."""

    def __init__(self, directory: str):
        self.directory = directory
        os.makedirs(os.path.join(directory, "data"), exist_ok=True)

    def put(self, stored: bytes, algorithm: Algorithm, suffix: str = "") -> str:
        """Stores bytes in their final form; the value is the textual hash."""
        text = algorithm.hash_text(stored)
        path = object_path(self.directory, text, suffix)
        if not os.path.exists(path):
            write_file(path, stored)
        return text

    def read(self, text: str, suffix: str = "") -> bytes:
        """The stored form of an object."""
        with open(object_path(self.directory, text, suffix), "rb") as file:
            return file.read()

    def put_compressed(self, data: bytes, algorithm: Algorithm, suffix: str) -> str:
        """The same for catalogs, history, certificate and meta info, which are always zlib."""
        return self.put(compress(data, "zlib"), algorithm, suffix)


def write_file(path: str, data: bytes) -> None:
    """A file appears whole or not at all; its directory is made if it is missing."""
    directory = os.path.dirname(path)
    temporary = os.path.join(directory, f".new-{os.getpid()}")
    try:
        file = open(temporary, "wb", buffering=0)
    except FileNotFoundError:
        os.makedirs(directory, exist_ok=True)
        file = open(temporary, "wb", buffering=0)
    with file:
        file.write(data)
    os.rename(temporary, path)


class FileStorer:
    """Stores the contents of files: whole ones many at a time, chunked ones chunk by chunk."""

    def __init__(self, store: ObjectStore, jobs: int, external_data: str | None = None):
        """external_data: a directory that gets the bytes of external files, at their paths."""
        self._store = store
        self._jobs = jobs
        self._external_data = external_data

    def store(self, entries: Iterable[Entry]) -> None:
        """Fills in size, digest or chunks, and sha256 of every regular file."""
        leaders: dict[tuple, Entry] = {}
        files, followers = [], []
        for entry in entries:
            if not entry.is_type("file"):
                continue
            leader = entry
            if entry.group and not entry.settings.external:  # an external file is at every path
                leader = leaders.setdefault((entry.parent, entry.group), entry)
            if leader is entry:
                files.append(entry)
            else:
                followers.append((entry, leader))
        whole = [entry for entry in files if not _is_chunked(entry)]
        chunked = [entry for entry in files if _is_chunked(entry)]
        if self._jobs > 1 and (chunked or len(whole) > 64):
            with multiprocessing.Pool(self._jobs) as pool:
                self._store_all(pool, whole, chunked)
        else:
            self._store_all(None, whole, chunked)
        for entry, leader in followers:
            entry.size, entry.digest = leader.size, leader.digest
            entry.chunks, entry.sha256 = leader.chunks, leader.sha256

    def _store_all(self, pool, whole: list[Entry], chunked: list[Entry]) -> None:
        tasks = ((entry.content, entry.settings.algorithm.name, entry.settings.compression,
                  self._external_path(entry), self._store) for entry in whole)
        results = pool.imap(_store_whole, tasks, 64) if pool else map(_store_whole, tasks)
        for entry, (size, digest, sha256) in zip(whole, results):
            entry.size, entry.digest, entry.sha256 = size, digest, sha256
        for entry in chunked:
            self._store_chunked(pool, entry)

    def _store_chunked(self, pool, entry: Entry) -> None:
        """Cuts in this process; compresses in the others, with few chunks in memory at a time."""
        settings = entry.settings
        if settings.external and settings.compression != "none":
            raise ValueError(f"{entry.path!r}: external chunks are ranges of the plain file")
        hasher = hashlib.sha256()
        window = threading.Semaphore(2 * self._jobs)
        external_path = self._external_path(entry) or os.devnull
        os.makedirs(os.path.dirname(external_path), exist_ok=True)
        external = open(external_path, "wb")

        def tasks() -> Iterator[tuple]:
            with open_content(entry.content) as stream:
                for data in settings.chunk_size.cut(stream):
                    window.acquire()
                    hasher.update(data)
                    external.write(data)
                    yield (data, settings.algorithm.name, settings.compression,
                           None if settings.external else self._store)

        offset = 0
        results = pool.imap(_store_chunk, tasks()) if pool else map(_store_chunk, tasks())
        with external:
            for size, digest in results:
                window.release()
                entry.chunks.append(Chunk(offset, size, digest))
                offset += size
        entry.size, entry.sha256 = offset, hasher.hexdigest()

    def _external_path(self, entry: Entry) -> str | None:
        """Where the bytes of an external file go; None for other files."""
        if not entry.settings.external:
            return None
        if self._external_data is None:
            return os.devnull
        return self._external_data + os.fsdecode(entry.path)


def _is_chunked(entry: Entry) -> bool:
    size = entry.settings.chunk_size
    return size is not None and entry.size > size.minimum


def _store_whole(task: tuple[Content, str, str, str | None, ObjectStore]) -> tuple:
    """In a worker: stores one file as one object."""
    content, algorithm_name, compression, external, store = task
    with open_content(content) as stream:
        data = stream.read()
    stored = compress(data, compression)
    algorithm = ALGORITHMS[algorithm_name]
    if external is None:
        store.put(stored, algorithm)
    elif external != os.devnull:
        write_file(external, stored)
    return len(data), algorithm.digest(stored), hashlib.sha256(data).hexdigest()


def _store_chunk(task: tuple[bytes, str, str, ObjectStore | None]) -> tuple[int, bytes]:
    """In a worker: stores one chunk, or only takes its hash if the file is external."""
    data, algorithm_name, compression, store = task
    stored = compress(data, compression)
    algorithm = ALGORITHMS[algorithm_name]
    if store is not None:
        store.put(stored, algorithm, "P")
    return len(data), algorithm.digest(stored)
