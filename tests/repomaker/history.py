"""The tag database: named snapshots of a repository."""

import sqlite3
from dataclasses import dataclass

from .catalog import PAGE_SIZE

CURRENT_REVISION = 3
TRUNK = "trunk"
TRUNK_PREVIOUS = "trunk-previous"


@dataclass(frozen=True)
class Tag:
    """A name for a root catalog."""

    name: str
    hash: str
    revision: int
    timestamp: int
    description: str = ""
    size: int = 0

    def renamed(self, name: str, description: str) -> "Tag":
        """The same snapshot under another name."""
        return Tag(name, self.hash, self.revision, self.timestamp, description, self.size)


def read_tags(image: bytes) -> list[Tag]:
    """The tags of a tag database of any revision."""
    database = sqlite3.connect(":memory:")
    database.deserialize(image)
    names = {name for _, name, *_ in database.execute("PRAGMA table_info(tags)")}
    size = "size" if "size" in names else "0"
    tags = [Tag(*row) for row in database.execute(
        f"SELECT name, hash, revision, timestamp, description, {size} FROM tags")]
    database.close()
    return tags


def next_tags(tags: list[Tag], head: Tag, names: list[str], description: str) -> list[Tag]:
    """The tags after a publish: the old ones, the new names, trunk and its predecessor."""
    kept = {tag.name: tag for tag in tags}
    if TRUNK in kept:
        kept[TRUNK_PREVIOUS] = kept[TRUNK].renamed(TRUNK_PREVIOUS, "default undo target")
    for name in names:
        kept[name] = head.renamed(name, description)
    kept[TRUNK] = head.renamed(TRUNK, "current HEAD")
    return list(kept.values())


def history_image(fqrn: str, tags: list[Tag], previous: str,
                  revision: int = CURRENT_REVISION) -> bytes:
    """The SQLite file, in the tables and columns of a schema revision from 0 to 3."""
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    database.execute("BEGIN")
    for statement in _statements(revision):
        database.execute(statement)
    properties = {"schema": "1.0", "schema_revision": str(revision), "fqrn": fqrn,
                  "previous_revision": previous}
    database.executemany("INSERT INTO properties VALUES (?, ?)", properties.items())
    if revision >= 3:
        database.execute("INSERT INTO branches VALUES ('', NULL, 0)")
    for tag in tags:
        row = [tag.name, tag.hash, tag.revision, tag.timestamp, 0, tag.description]
        row += [tag.size] if revision >= 1 else []
        row += [""] if revision >= 3 else []
        database.execute(f"INSERT INTO tags VALUES ({', '.join('?' * len(row))})", row)
    database.execute("COMMIT")
    image = database.serialize()
    database.close()
    return image


def _statements(revision: int) -> list[str]:
    tags = "name TEXT, hash TEXT, revision INTEGER, timestamp INTEGER, channel INTEGER," \
           " description TEXT"
    tags += ", size INTEGER" if revision >= 1 else ""
    branch = ", FOREIGN KEY (branch) REFERENCES branches (branch)" if revision >= 3 else ""
    tags += ", branch TEXT" if revision >= 3 else ""
    found = [
        "CREATE TABLE properties (key TEXT, value TEXT, CONSTRAINT pk_properties"
        " PRIMARY KEY (key))",
        f"CREATE TABLE tags ({tags}, CONSTRAINT pk_tags PRIMARY KEY (name){branch})",
    ]
    if revision >= 2:
        found.append("CREATE TABLE recycle_bin (hash TEXT, flags INTEGER,"
                     " CONSTRAINT pk_hash PRIMARY KEY (hash))")
    if revision >= 3:
        found.append("CREATE TABLE branches (branch TEXT, parent TEXT, initial_revision INTEGER,"
                     " CONSTRAINT pk_branch PRIMARY KEY (branch),"
                     " FOREIGN KEY (parent) REFERENCES branches (branch),"
                     " CHECK ((branch = '') = (parent IS NULL)))")
    return found
