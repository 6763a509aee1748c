"""The measurements of `make bench`: each function takes one or more rows of the table, the program
and what it is held against in turn, round by round."""

import json
import os
import shutil
import statistics
from dataclasses import dataclass

from support.processes import build_directory

from .site import FURTHER, REPOSITORY, Site, as_user, read_files, spawn

MOUNTED = f"/cvmfs/{REPOSITORY}"
_STARTS = 5  # processes per round of what takes milliseconds


@dataclass
class Row:
    """A line of the table. `against` is None where the target is an absolute number."""

    name: str
    ours: float
    against: float | None
    target: float
    unit: str

    def value(self) -> float:
        """What the target limits."""
        return self.ours / self.against if self.against is not None else self.ours

    def passes(self) -> bool:
        """Whether the target is met."""
        return self.value() <= self.target


def _milliseconds(nanoseconds: list[int]) -> float:
    return statistics.median(nanoseconds) / 1e6


def _against(name: str, ours: list[int], base: list[int], target: float) -> Row:
    return Row(name, _milliseconds(ours), _milliseconds(base), target, "ms")


def start(site: Site, rounds: int) -> list[Row]:
    """The launcher without a repository, with one, with three; a full cache."""
    file = site.make_node("start")
    repositories = [[], [REPOSITORY], [REPOSITORY, *FURTHER]]
    commands = [["unshare", "-Urmpf", "--mount-proc", "true"]]
    commands += [[file, *names, "--", "true"] for names in repositories]
    times: list[list[int]] = [[] for _ in commands]
    as_user([file, REPOSITORY, *FURTHER, "--", "true"])  # extracts, fills the cache
    for _ in range(rounds):
        for index, command in enumerate(commands):
            times[index] += spawn(command, _STARTS)
    unshare, none, one, three = (_milliseconds(measured) for measured in times)
    return [Row("start: FILE -- true, against unshare", none, unshare, 2, "ms"),
            Row("start: a repository more, warm cache", one - none, None, 15, "ms"),
            Row("start: each further one", (three - one) / len(FURTHER), None, 5, "ms")]


def first_run(site: Site, rounds: int) -> list[Row]:
    """Extraction of the bundle, against tar on the same tree."""
    tree = os.path.dirname(site.make_node("tree"))
    as_user([os.path.join(tree, "FILE"), "-v"])
    archive = site.path("tree.tar.gz")
    as_user(["tar", "-C", tree, "-czf", os.path.join(tree, "tar.gz"), ".cvmfsexec"])
    shutil.move(os.path.join(tree, "tar.gz"), archive)
    shutil.rmtree(tree)
    ours, base = [], []
    for _ in range(rounds):
        node = site.make_node("first")
        ours += spawn([node, "-v"])
        shutil.rmtree(os.path.dirname(node))
        target = site.make_directory("first")
        base += spawn(["tar", "-C", target, "-xzf", archive])
        shutil.rmtree(target)
    return [_against("first run, against tar xzf of the same tree", ours, base, 1 / 3)]


def _write_lists(site: Site, copied: str) -> dict:
    """The paths of the small files and of the large one, mounted and copied."""
    small = sorted(os.path.join(directory, name)[len(copied):]
                   for directory, _, names in os.walk(os.path.join(copied, "small"))
                   for name in names if name != ".cvmfscatalog")
    lists: dict = {}
    for side, top in (("mounted", MOUNTED), ("copied", copied)):
        lists[side] = {}
        for kind, names in (("small", small), ("large", ["/big/file"])):
            lists[side][kind] = site.path(f"{side}-{kind}.list")
            with open(lists[side][kind], "w", encoding="utf-8") as file:
                file.writelines(f"{top}{name}\n" for name in names)
    return lists


def prepare_copy(site: Site) -> dict:
    """Copies the repository out of the mount, which fills the cache of the node "job"."""
    copied = site.make_directory("copied")
    site.make_node("job")
    as_user([site.path("job/FILE"), REPOSITORY, "--", "cp", "-r", MOUNTED + "/.", copied])
    return _write_lists(site, copied)


def hot(site: Site, rounds: int, lists: dict) -> list[Row]:
    """Within one job, everything in the kernel's caches; and the memory when that is done."""
    directory = site.make_directory("hot")
    plan = {"rounds": rounds, "helpers": os.path.join(build_directory(), "bench"),
            "mounted": MOUNTED, "copied": site.path("copied"), "lists": lists,
            "result": os.path.join(directory, "result")}
    path = site.path("plan")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(plan, file)
    inside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "inside.py")
    as_user([site.path("job/FILE"), REPOSITORY, "--", "python3", "-B", inside, path])
    with open(plan["result"], encoding="utf-8") as file:
        result = json.load(file)
    names = {"small": ("hot: 5,000 small files", 1.3), "large": ("hot: 256 MiB in one file", 1.3),
             "find": ("hot: find", 1.3), "ls": ("hot: ls -lR", 1.5)}
    rows = [_against(f"{name}, against the disk", result["times"][kind]["mounted"],
                     result["times"][kind]["copied"], target)
            for kind, (name, target) in names.items()]
    processes = result["processes"]
    resident = sum(process["VmRSS"] for process in processes)
    return rows + [Row("memory of the client after that", resident / 1e6, None, 12, "MB"),
                   Row("processes of the client", len(processes), None, 2, "")]


def warm(site: Site, rounds: int, lists: dict) -> list[Row]:
    """A fresh mount on a full cache in every round."""
    ours, base = [], []
    read_files(lists["copied"]["small"])
    for _ in range(rounds):
        base.append(read_files(lists["copied"]["small"]))
        ours.append(read_files(lists["mounted"]["small"],
                               [site.path("job/FILE"), REPOSITORY, "--"]))
    return [_against("warm: 5,000 small files, against the disk", ours, base, 4)]


def cold(site: Site, rounds: int, lists: dict) -> list[Row]:
    """An empty cache in every round, against curl with the same objects."""
    file = site.make_node("cold")
    as_user([file, "-v"])
    cache = site.path("cold/.cvmfsexec/dist/var/lib/cvmfs")
    requests = site.path("requests")
    ours, base = [], []
    for number in range(rounds):
        # Moved away, not removed: ext4 is slow to make files where it has just removed many.
        for name in os.listdir(cache):
            os.rename(os.path.join(cache, name), site.path(f"used-{number}-{name}"))
        site.server.clear()
        ours.append(read_files(lists["mounted"]["small"], [file, REPOSITORY, "--"]))
        _write_requests(site, requests)
        base += spawn(["curl", "--silent", "--fail", "--noproxy", "*", "--config", requests])
    return [_against("cold: 5,000 small files, against curl", ours, base, 2)]


def _write_requests(site: Site, path: str) -> None:
    """What was fetched by hash since the server's log was cleared, as a configuration of curl."""
    with open(path, "w", encoding="utf-8") as file:
        for name in site.server.requests():
            if "/data/" in name:
                file.write(f'url = "{site.server.url}{name}"\noutput = "/dev/null"\n')
