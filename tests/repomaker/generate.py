"""Trees that need no source directory: for benchmarks, and one with every kind of entry.

A shape is named on the command line as NAME or NAME,key=value,...; each puts its entries below the
path `at` and says which directories should have a catalog of their own.
"""

import base64
import inspect
from typing import Callable

from .chunking import parse_size
from .entries import DEFAULT_MTIME_NS, DIRECTORY_SIZE, TYPES, Entry
from .sources import add_fields
from .tree import Tree

_SIZES = (200, 700, 1500, 3000, 4096, 6000, 9000, 14000)


def _file(path: str, content: tuple, number: int) -> Entry:
    return Entry(path.encode(), TYPES["file"] | 0o644,
                 mtime_ns=DEFAULT_MTIME_NS + number * 1_000_000_001,
                 size=content[-1], content=content)


def _directory(tree: Tree, path: str) -> None:
    if tree.get(path.encode()) is None:
        tree.put(Entry(path.encode(), TYPES["dir"] | 0o755, size=DIRECTORY_SIZE))


def small_files(tree: Tree, at: str = "/small", files: str = "5000", size: str = "",
                per_directory: str = "100", kind: str = "text") -> list[str]:
    """Many files in many directories; of several sizes unless one is given. A level of
    directories more for every 1,000 directories, each with a catalog of its own."""
    count, width = int(files), int(per_directory)
    catalogs = {at: None}
    for number in range(count):
        index = number // width
        group = f"{at}/g{index // 1000:03}" if count > 1000 * width else at
        catalogs[group] = None
        directory = f"{group}/d{index % 1000:03}"
        length = parse_size(size) if size else _SIZES[number % len(_SIZES)]
        tree.put(_file(f"{directory}/f{number:07}", (kind, f"{at}/{number}", length), number))
    return list(catalogs)


def large_directory(tree: Tree, at: str = "/many", files: str = "20000", size: str = "64",
                    kind: str = "text") -> list[str]:
    """One directory of many files."""
    for number in range(int(files)):
        tree.put(_file(f"{at}/entry-{number:06}", (kind, f"{at}/{number}", parse_size(size)),
                       number))
    return [at]


def large_file(tree: Tree, at: str = "/big", name: str = "file", size: str = "256M",
               kind: str = "text") -> list[str]:
    """One file of many chunks."""
    tree.put(_file(f"{at}/{name}", (kind, f"{at}/{name}", parse_size(size)), 0))
    return []


def bench(tree: Tree, at: str = "") -> list[str]:
    """25,000 entries: 5,000 small files, one directory of 20,000, one file of 256 MiB."""
    return small_files(tree, at + "/small") + large_directory(tree, at + "/many") \
        + large_file(tree, at + "/big")


def zoo(tree: Tree, at: str = "", size: str = "1M") -> list[str]:
    """Every kind of entry, with the names, numbers and sizes that programs get wrong. `size` is
    that of the largest files: choose the chunk size below it."""
    for fields in _zoo_entries(parse_size(size)):
        fields = {"mtime_ns": DEFAULT_MTIME_NS + 123_456_789, **fields, "path": at + fields["path"]}
        if "hardlink_of" in fields:
            fields["hardlink_of"] = at + fields["hardlink_of"]
        add_fields(tree, fields)
    return [f"{at}/nested", f"{at}/nested/inner", f"{at}/nested/inner/innermost"]


def _zoo_entries(large: int) -> list[dict]:
    return [*_zoo_contents(large), *_zoo_names(), *_zoo_metadata(), *_zoo_links(), *_zoo_nested()]


def _zoo_contents(large: int) -> list[dict]:
    sizes = (0, 1, 511, 4095, 4096, 4097, 65536, 131071, 131072, 131073, large - 1, large,
             large + 1)
    return [{"path": f"/files/{kind}-{size}", kind: f"zoo-{size}", "size": size}
            for size in sizes for kind in ("random", "text")] + [
        {"path": "/files/zeros", "zeros": True, "size": large},
        {"path": "/files/twin-a", "content": "the same bytes\n"},
        {"path": "/files/twin-b", "content": "the same bytes\n"},
        {"path": "/bin/hello", "mode": "0755", "content": "#!/bin/sh\necho hello \"$@\"\n"},
    ]


def _zoo_names() -> list[dict]:
    names = ("with blank", " leading", "trailing ", "tab\there", "line\nend", "quote'\"`", "$(X)",
             "-dash", "back\\slash", "percent%41", "question?", "hash#", "plus+", "semi;colon",
             "\u00e4\u00f6\u00fc", "\u65e5\u672c", "\U0001f426", "not-utf8-\udcff\udcfe", "n" * 255,
             "...", "..x", "*")
    return [{"path": f"/names/{name}", "content": f"{number}\n"}
            for number, name in enumerate(names)] + [
        {"path": "/names/dir with \u00e4 blank/file", "content": "below\n"},
        {"path": "/deep" + "".join(f"/level{level}" for level in range(40)), "content": "deep\n"},
    ]


def _zoo_metadata() -> list[dict]:
    modes = [{"path": f"/modes/{mode}", "mode": mode, "content": mode}
             for mode in ("0000", "0400", "0444", "0600", "0666", "0777", "2755", "4755", "6711")]
    times = (0, 1, -1, -315619200, 4102444800, 999_999_999)
    value = base64.b64encode(bytes(range(200))).decode()
    return modes + [
        {"path": f"/times/{number}", "mtime_ns": seconds * 1_000_000_000 + number,
         "content": f"{seconds}\n"} for number, seconds in enumerate(times)
    ] + [
        {"path": "/modes/sticky", "type": "dir", "mode": "1777"},
        {"path": "/modes/private", "type": "dir", "mode": "0700"},
        {"path": "/empty", "type": "dir"},
        {"path": "/owners/file", "uid": 12345, "gid": 54321, "content": "owned\n"},
        {"path": "/owners/dir", "type": "dir", "uid": 1000, "gid": 100},
        {"path": "/special/fifo", "type": "fifo"},
        {"path": "/special/socket", "type": "socket"},
        {"path": "/special/null", "type": "chardev", "rdev": "1:3", "mode": "0666"},
        {"path": "/special/disk", "type": "blockdev", "rdev": "259:70000", "mode": "0660"},
        {"path": "/xattrs/file", "content": "attributes\n",
         "xattrs_b64": {"user.text": "aGVsbG8K", "user.empty": "", "user.binary": value}},
        {"path": "/xattrs/dir", "type": "dir", "xattrs": {"user.of": "a directory"}},
        {"path": "/xattrs/capability", "mode": "0755", "content": "#!/bin/sh\n",
         "xattrs_b64": {"security.capability": "AQAAAgAgAAAAAAAAAAAAAAAAAAA="}},
        {"path": "/xattrs/many", "content": "many\n",
         "xattrs": {f"user.number{number:03}": "v" * number for number in range(100)}},
    ]


def _zoo_links() -> list[dict]:
    targets = {
        "relative": "../files/twin-a", "directory": "../files", "absolute": "/etc/hostname",
        "dangling": "nowhere", "loop": "loop", "chain": "relative", "long": "x/" * 1000 + "end",
        "variable": "$(ZOO_VARIABLE)", "default": "$(ZOO_VARIABLE:-../files/twin-b)",
        "several": "/opt/$(ZOO_A:-a)/$(ZOO_B:-b)$(ZOO_C)", "odd": "$()x$(:-d)$(A$(B)$V$$$(open",
        "not-utf8": "\udcff",
    }
    links = [{"path": f"/links/{name}", "type": "symlink", "target": target}
             for name, target in targets.items()]
    groups = {"a": ("b", "c"), "p": ("q",)}
    hard = [{"path": f"/hardlinks/{first}", "random": first, "size": 5000} for first in groups]
    hard += [{"path": f"/hardlinks/{other}", "hardlink_of": f"/hardlinks/{first}"}
             for first, others in groups.items() for other in others]
    return links + hard


def _zoo_nested() -> list[dict]:
    return [
        {"path": "/nested/file", "content": "in a nested catalog\n"},
        {"path": "/nested/plain/file", "content": "in the same\n"},
        {"path": "/nested/inner/file", "content": "one further down\n"},
        {"path": "/nested/inner/innermost/file", "content": "two further down\n"},
        {"path": "/nested/inner/innermost/link", "type": "symlink", "target": "../../file"},
        {"path": "/nested/marked/.cvmfscatalog", "content": ""},
        {"path": "/nested/marked/file", "content": "with a marker file\n"},
        {"path": "/nestedmore/file", "content": "its name begins as another's\n"},
    ]


SHAPES: dict[str, Callable[..., list[str]]] = {
    "bench": bench, "small-files": small_files, "large-directory": large_directory,
    "large-file": large_file, "zoo": zoo,
}


def add_shape(tree: Tree, text: str) -> list[str]:
    """Adds the shape that a text names; the value is patterns of directories with own catalogs."""
    name, *settings = text.split(",")
    if name not in SHAPES:
        raise ValueError(f"no such shape: {name} (there are {', '.join(SHAPES)})")
    options = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        options[key.replace("-", "_")] = value
    known = inspect.signature(SHAPES[name]).parameters.keys() - {"tree"}
    if not options.keys() <= known:
        raise ValueError(f"options of {name} are {', '.join(sorted(known))}")
    if options.get("at", "/") != "/":
        _directory(tree, options["at"])
    return SHAPES[name](tree, **options)
