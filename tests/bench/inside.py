#!/usr/bin/env python3
"""What `make bench` measures inside of one job: readers and listers of the mounted repository and
of its copy on the disk, in turn, and what the client holds when all is done.

inside.py PLAN: PLAN is JSON, {"rounds", "helpers", "mounted", "copied", "lists", "result"}. The
result is JSON, too: nanoseconds by row and side, and the client's processes.
"""

import json
import os
import subprocess
import sys


def nanoseconds(command: list[str]) -> int:
    """What a helper prints: how long it took."""
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def measure(plan: dict) -> dict:
    """Rounds of every row, the two sides in turn; one round before that is not counted."""
    readfiles = os.path.join(plan["helpers"], "readfiles")
    spawn = os.path.join(plan["helpers"], "spawn")
    rows = {"small": lambda side: [readfiles, plan["lists"][side]["small"]],
            "large": lambda side: [readfiles, plan["lists"][side]["large"]],
            "find": lambda side: [spawn, "1", "find", plan[side]],
            "ls": lambda side: [spawn, "1", "ls", "-lR", plan[side]]}
    times: dict = {row: {"mounted": [], "copied": []} for row in rows}
    for number in range(plan["rounds"] + 1):
        for row, command in rows.items():
            for side in ("copied", "mounted"):
                taken = nanoseconds(command(side))
                if number > 0:
                    times[row][side].append(taken)
    return times


def client_processes() -> list[dict]:
    """Processes of the client that can be seen here, with their resident memory in bytes."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                command = file.read().split(b"\0")
            with open(f"/proc/{name}/status", encoding="ascii") as file:
                status = dict(line.split(":", 1) for line in file)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if any(word.endswith(b"/cvmfs2") for word in command) and "VmRSS" in status:
            found.append({field: int(status[field].split()[0]) * 1024
                          for field in ("VmRSS", "RssAnon", "VmHWM")})
    return found


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    result = {"times": measure(plan), "processes": client_processes()}
    with open(plan["result"], "w", encoding="utf-8") as file:
        json.dump(result, file)


main()
